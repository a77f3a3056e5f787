/* File requests for a kept sandbox: passed to one agent process inside, one at a time, in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "state.h"
#include "sys.h"

/* Waiting ones in order. The one that is being sent has left the list: the agent stands in the guest's cgroup, where it may
   be frozen or throttled, and the launcher must not wait for it while others wait for the launcher. */
struct question {
  struct question *next;
  size_t length;
  uint8_t bytes[];
};

struct agent_state {
  struct agent agent;
  struct question *first, **last;
  bool asking;
  struct question *sending;
  size_t sent;
  uint8_t *answer;
  size_t answer_length, answer_capacity;
};

static struct agent_state *state_of(struct agent *agent) { return (struct agent_state *)(void *)agent; }

void agent_fail(struct agent *agent, struct err error) {
  struct sandbox *sandbox = agent->sandbox;
  /* Of a sandbox that is being closed, CLOSED is the only answer. */
  if (!sandbox->cause) client_error(sandbox->id, error);
  agent_close(agent);
}

static void send_rest(struct agent *agent) {
  struct agent_state *state = state_of(agent);
  struct question *question = state->sending;
  while (state->sent < question->length) {
    ssize_t sent = send(agent->watch.fd, question->bytes + state->sent, question->length - state->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      state->sent += (size_t)sent;
    } else if (errno == EAGAIN) {
      watch_change(&agent->watch, EPOLLIN | EPOLLOUT);
      return;
    } else if (errno != EINTR) {
      agent_fail(agent, fail(ERR_SYSTEM, errno, "ask files agent", NULL));
      return;
    }
  }
  free(question);
  state->sending = NULL;
  watch_change(&agent->watch, EPOLLIN);
}

static void send_next(struct agent *agent) {
  struct agent_state *state = state_of(agent);
  struct question *question = state->first;
  if (!question || state->asking || agent->watch.fd < 0) return;
  state->first = question->next;
  if (!state->first) state->last = &state->first;
  state->asking = true;
  state->sending = question;
  state->sent = 0;
  send_rest(agent);
}

static void start(struct agent *agent) {
  struct sandbox *sandbox = agent->sandbox;
  if (!seat_is_free(sandbox)) {
    seat_want(sandbox);
    return;
  }
  struct job_mounts none = {0};
  struct err result = launch_send_job(sandbox->seat.watch.fd, JOB_FILES, false,
                                      (struct span){sandbox->job, sandbox->job_length}, &none, -1);
  if (result.errnum == EPIPE) { /* it ended since we looked, and has not read it */
    seat_lost(sandbox);
    seat_want(sandbox);
    return;
  }
  if (failed(result)) {
    agent_fail(agent, result);
    return;
  }
  watch_move(&sandbox->seat.watch, &agent->watch, WATCH_AGENT, agent);
  for (int i = 0; i < 2; i++) close(sandbox->seat.output[i]);
  seat_next(sandbox);
  send_next(agent);
}

struct err agent_ask(struct sandbox *sandbox, struct span request) {
  if (!sandbox->agent) {
    struct agent_state *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return fail(ERR_RESOURCE, ENOMEM, "files agent", NULL);
    fresh->agent.sandbox = sandbox;
    fresh->agent.watch.fd = -1;
    fresh->last = &fresh->first;
    sandbox->agent = &fresh->agent;
  }
  struct agent_state *state = state_of(sandbox->agent);
  struct question *question = malloc(sizeof *question + 4 + request.length);
  if (!question) return fail(ERR_RESOURCE, ENOMEM, "files agent", NULL);
  uint32_t length = (uint32_t)request.length;
  question->next = NULL;
  question->length = 4 + request.length;
  memcpy(question->bytes, &length, 4);
  memcpy(question->bytes + 4, request.data, request.length);
  *state->last = question;
  state->last = &question->next;
  if (sandbox->agent->watch.fd < 0) start(sandbox->agent);
  else send_next(sandbox->agent);
  return OK;
}

static void read_answer(struct agent *agent) {
  struct agent_state *state = state_of(agent);
  if (state->answer_capacity - state->answer_length < 64 * 1024) {
    size_t capacity = state->answer_capacity ? state->answer_capacity * 2 : 256 * 1024;
    uint8_t *grown = capacity > FRAME_MAX ? NULL : realloc(state->answer, capacity);
    if (!grown) {
      agent_fail(agent, fail(ERR_RESOURCE, ENOMEM, "files agent", NULL));
      return;
    }
    state->answer = grown;
    state->answer_capacity = capacity;
  }
  ssize_t got = recv(agent->watch.fd, state->answer + state->answer_length, state->answer_capacity - state->answer_length,
                     MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    agent_fail(agent, fail(ERR_SYSTEM, EPIPE, "files agent ended", NULL));
    return;
  }
  state->answer_length += (size_t)got;
  uint32_t length;
  if (state->answer_length < 4) return;
  memcpy(&length, state->answer, 4);
  if (state->answer_length < 4 + (size_t)length) return;
  client_send(FRAME_FILES_REPLY, agent->sandbox->id, state->answer + 4, length);
  state->answer_length = 0; /* one question is under way at a time, so nothing follows */
  state->asking = false;
  send_next(agent);
}

void agent_event(struct agent *agent) {
  if (agent->watch.fd < 0) start(agent);
  else if (state_of(agent)->sending) send_rest(agent);
  else read_answer(agent);
}

void agent_close(struct agent *agent) {
  struct agent_state *state = state_of(agent);
  watch_close(&agent->watch);
  agent->sandbox->agent = NULL;
  while (state->first) {
    struct question *question = state->first;
    state->first = question->next;
    free(question);
  }
  free(state->sending);
  free(state->answer);
  free(state);
}
