#include "packets.h"

#include "nft_rule.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nftables.h"

/* Of one guest, in the host's table of connections, which all share. */
#define CONNECTIONS_MAX 4096u

/* Each rule takes less than 600 bytes. */
static uint8_t room[96 * 1024] __attribute__((aligned(8)));

/* Priorities of linux/netfilter_ipv4.h: before anybody's address translation, and after fragments are put together, so that
   ports can be read; and where the host's own firewall stands. */
enum { BEFORE_TRANSLATION = -300, FIREWALL = 0, SOURCE_TRANSLATION = 100 };

static void if_rule(struct netlink *out, const struct packet_rule *rule) {
  const uint8_t tcp = IPPROTO_TCP, udp = IPPROTO_UDP, protocol = (uint8_t)rule->protocol;
  if (rule->protocol < PACKET_PROTOCOL_ANY) nft_if_meta(out, NFT_META_L4PROTO, &protocol, sizeof protocol);
  if (rule->protocol == PACKET_PROTOCOL_OTHER) {
    nft_if_not_meta(out, NFT_META_L4PROTO, &tcp, sizeof tcp);
    nft_if_not_meta(out, NFT_META_L4PROTO, &udp, sizeof udp);
  }
  nft_if_ipv4(out, NFT_IPV4_DESTINATION, rule->address, rule->prefix);
  if (rule->from) nft_if_port(out, rule->from, rule->to);
}

/* `allowed` counts, where there is such a counter; `stop` is where the rest goes. */
static void judge(struct netlink *out, const struct plan *plan, const char *table, const char *chain, const char *allowed,
                  const char *stop, uint16_t flags) {
  static const uint8_t anywhere[4];
  for (size_t i = 0; i < plan->packet_count; i++) {
    const struct packet_rule *rule = &plan->packets[i];
    size_t mark = nft_rule(out, table, chain, 0);
    if_rule(out, rule);
    if (!rule->denies && allowed) nft_count(out, allowed);
    nft_verdict(out, rule->denies ? NFT_GOTO : NF_ACCEPT, rule->denies ? stop : NULL);
    nft_rule_end(out, mark);
  }
  if (plan->network.kind == NETWORK_PACKETS) {
    size_t mark = nft_rule(out, table, chain, 0);
    nft_if_ipv4(out, NFT_IPV4_DESTINATION, anywhere, 0);
    if (allowed) nft_count(out, allowed);
    nft_verdict(out, NF_ACCEPT, NULL);
    nft_rule_end(out, mark);
  }
  size_t last = nft_rule(out, table, chain, flags);
  nft_verdict(out, NFT_GOTO, stop);
  nft_rule_end(out, last);
}

struct err packets_guard(int socket, const struct plan *plan) {
  const uint8_t ipv6 = NFPROTO_IPV6;
  struct netlink messages = {.data = room, .capacity = sizeof room}, *out = &messages;
  nft_batch(out, NFNL_MSG_BATCH_BEGIN);
  /* The kernel's own, of an interface that comes up: nothing that the guest asked for. */
  NFT_RULE(out, NFTABLES_TABLE, NFTABLES_PACKETS, nft_if_meta(out, NFT_META_NFPROTO, &ipv6, sizeof ipv6), nft_verdict(out, NF_DROP, NULL));
  judge(out, plan, NFTABLES_TABLE, NFTABLES_PACKETS, NFTABLES_SENT, NFTABLES_REFUSE, NLM_F_ACK);
  nft_batch(out, NFNL_MSG_BATCH_END);
  return netlink_carry_out(socket, out, "rules for packets");
}

struct err packets_wall(int socket, const struct plan *plan, const struct packets_way *way) {
  const uint8_t loopback[4] = {127};
  const uint32_t index = way->index;
  const uint32_t known = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
  char table[48];
  snprintf(table, sizeof table, "caisson-%s", way->name);
  struct netlink messages = {.data = room, .capacity = sizeof room}, *out = &messages;
  nft_batch(out, NFNL_MSG_BATCH_BEGIN);
  nft_table(out, table, NFT_TABLE_F_OWNER);
  nft_counter(out, table, "dropped");
  nft_chain(out, table, "drop", NULL, -1, 0);
  nft_chain(out, table, "leaving", NULL, -1, 0);
  nft_chain(out, table, "arriving", NULL, -1, 0);
  nft_chain(out, table, "first", "filter", NF_INET_PRE_ROUTING, BEFORE_TRANSLATION);
  nft_chain(out, table, "through", "filter", NF_INET_FORWARD, FIREWALL);
  nft_chain(out, table, "host", "filter", NF_INET_LOCAL_IN, FIREWALL);
  nft_chain(out, table, "from-host", "filter", NF_INET_LOCAL_OUT, FIREWALL);
  nft_chain(out, table, "disguise", "nat", NF_INET_POST_ROUTING, SOURCE_TRANSLATION);

  NFT_RULE(out, table, "drop", nft_count(out, "dropped"), nft_verdict(out, NF_DROP, NULL));
  /* What was sent to, as the guest wrote it; from its own address alone. */
  NFT_RULE(out, table, "first", nft_if_meta(out, NFT_META_IIF, &index, sizeof index),
           nft_if_ipv4(out, NFT_IPV4_SOURCE, way->address, 32), nft_verdict(out, NFT_GOTO, "leaving"));
  NFT_RULE(out, table, "first", nft_if_meta(out, NFT_META_IIF, &index, sizeof index), nft_verdict(out, NFT_GOTO, "drop"));
  /* Once more, as the host's own translation may have made it another. What no connection is known of would keep the guest's
     address. */
  NFT_RULE(out, table, "through", nft_if_meta(out, NFT_META_IIF, &index, sizeof index),
           nft_if_tracked(out, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT), nft_verdict(out, NFT_GOTO, "drop"));
  NFT_RULE(out, table, "through", nft_if_meta(out, NFT_META_IIF, &index, sizeof index), nft_if_crowded(out, CONNECTIONS_MAX),
           nft_verdict(out, NFT_GOTO, "drop"));
  NFT_RULE(out, table, "through", nft_if_meta(out, NFT_META_IIF, &index, sizeof index), nft_verdict(out, NFT_GOTO, "leaving"));
  NFT_RULE(out, table, "through", nft_if_meta(out, NFT_META_OIF, &index, sizeof index), nft_verdict(out, NFT_GOTO, "arriving"));
  NFT_RULE(out, table, "host", nft_if_meta(out, NFT_META_IIF, &index, sizeof index), nft_verdict(out, NFT_GOTO, "leaving"));
  NFT_RULE(out, table, "from-host", nft_if_meta(out, NFT_META_OIF, &index, sizeof index), nft_verdict(out, NFT_GOTO, "arriving"));
  /* Whatever the plan says: a host that routes its loopback (route_localnet) would hand this to its own services. */
  NFT_RULE(out, table, "leaving", nft_if_ipv4(out, NFT_IPV4_DESTINATION, loopback, 8), nft_verdict(out, NFT_GOTO, "drop"));
  NFT_RULE(out, table, "arriving", nft_if_tracked(out, known), nft_verdict(out, NF_ACCEPT, NULL));
  NFT_RULE(out, table, "arriving", nft_verdict(out, NFT_GOTO, "drop"));
  NFT_RULE(out, table, "disguise", nft_if_ipv4(out, NFT_IPV4_SOURCE, way->address, 32),
           nft_if_not_meta(out, NFT_META_OIF, &index, sizeof index), nft_masquerade(out));
  judge(out, plan, table, "leaving", NULL, "drop", NLM_F_ACK);
  nft_batch(out, NFNL_MSG_BATCH_END);
  return netlink_carry_out(socket, out, "packet filter of the host");
}

struct listing {
  void (*each)(void *context, const char *chain);
  void *context;
};

static uint32_t be32_of(struct netlink_view value) {
  uint32_t number = UINT32_MAX;
  if (value.length == sizeof number) memcpy(&number, value.data, sizeof number);
  return ntohl(number);
}

static void look_at_chain(void *context, struct netlink_view message) {
  const struct listing *listing = context;
  struct nfgenmsg header; /* before what is viewed */
  memcpy(&header, message.data - sizeof header, sizeof header);
  const char *family = header.nfgen_family == NFPROTO_INET ? "inet" : header.nfgen_family == NFPROTO_IPV4 ? "ip" : NULL;
  struct netlink_view hook = netlink_find(message, NFTA_CHAIN_HOOK), table = netlink_find(message, NFTA_CHAIN_TABLE);
  struct netlink_view name = netlink_find(message, NFTA_CHAIN_NAME);
  if (!family || hook.length == 0 || be32_of(netlink_find(hook, NFTA_HOOK_HOOKNUM)) != NF_INET_FORWARD) return;
  if (be32_of(netlink_find(message, NFTA_CHAIN_POLICY)) != NF_DROP || table.length == 0 || name.length == 0) return;
  char text[256];
  snprintf(text, sizeof text, "%s %.*s %.*s", family, (int)table.length - 1, (const char *)table.data, (int)name.length - 1,
           (const char *)name.data);
  listing->each(listing->context, text);
}

struct err packets_dropping_chains(void (*each)(void *context, const char *chain), void *context) {
  uint8_t bytes[64] __attribute__((aligned(8)));
  struct netlink request = {.data = bytes, .capacity = sizeof bytes};
  struct nfgenmsg family = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};
  struct listing listing = {each, context};
  int socket;
  TRY(nftables_open(&socket));
  netlink_begin(&request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN), NLM_F_DUMP, &family, sizeof family);
  netlink_end(&request);
  struct err result = netlink_dump(socket, &request, sizeof family, look_at_chain, &listing, "read chains");
  close(socket);
  return result;
}
