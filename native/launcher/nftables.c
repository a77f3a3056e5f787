/* Over 300 lines for the rules: a rule is a list of small expressions, and each stands on its own line. */
#include "nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"
#include "network.h"

#define TABLE NFTABLES_TABLE
#define REFUSED "refused"
#define DATAGRAMS "datagrams" /* destinations that are open for them */
#define TCP_FLAGS 13 /* offset in its header (RFC 9293) */
#define UDP_SOURCE 0 /* RFC 768 */
#define UDP_DESTINATION 2
#define UDP_CHECKSUM 6
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* Registers: the key of a refusal lies in one piece, the rest is for comparing. */
enum { REG_ANY = NFT_REG_4, REG_PROTOCOL = NFT_REG32_00, REG_ADDRESS = NFT_REG32_01, REG_PORT = NFT_REG32_05 };
enum { ID_REFUSED = 1, ID_DATAGRAMS = 2 }; /* of the sets, within the transaction that makes them */
#define KEY_LENGTH 24u /* protocol 4, address 16, port 4 */

static void begin(struct netlink *out, uint16_t operation, uint16_t flags) {
  struct nfgenmsg family = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
  netlink_begin(out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | operation), flags, &family, sizeof family);
}

static void batch(struct netlink *out, uint16_t type) {
  struct nfgenmsg family = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  netlink_begin(out, type, 0, &family, sizeof family);
  netlink_end(out);
}

/* Expressions of a rule. */

struct expression {
  size_t element, data;
};

static struct expression expression(struct netlink *out, const char *name) {
  struct expression mark = {netlink_nest(out, NFTA_LIST_ELEM), 0};
  netlink_string(out, NFTA_EXPR_NAME, name);
  mark.data = netlink_nest(out, NFTA_EXPR_DATA);
  return mark;
}

static void finish(struct netlink *out, struct expression mark) {
  netlink_close(out, mark.data);
  netlink_close(out, mark.element);
}

static void value(struct netlink *out, uint16_t type, const void *data, size_t length) {
  size_t mark = netlink_nest(out, type);
  netlink_attribute(out, NFTA_DATA_VALUE, data, length);
  netlink_close(out, mark);
}

static void load_meta(struct netlink *out, enum nft_meta_keys key, uint32_t reg) {
  struct expression mark = expression(out, "meta");
  netlink_be32(out, NFTA_META_DREG, reg);
  netlink_be32(out, NFTA_META_KEY, key);
  finish(out, mark);
}

static void load_payload(struct netlink *out, enum nft_payload_bases base, uint32_t offset, uint32_t length, uint32_t reg) {
  struct expression mark = expression(out, "payload");
  netlink_be32(out, NFTA_PAYLOAD_DREG, reg);
  netlink_be32(out, NFTA_PAYLOAD_BASE, base);
  netlink_be32(out, NFTA_PAYLOAD_OFFSET, offset);
  netlink_be32(out, NFTA_PAYLOAD_LEN, length);
  finish(out, mark);
}

static void load_value(struct netlink *out, const void *data, size_t length, uint32_t reg) {
  struct expression mark = expression(out, "immediate");
  netlink_be32(out, NFTA_IMMEDIATE_DREG, reg);
  value(out, NFTA_IMMEDIATE_DATA, data, length);
  finish(out, mark);
}

static void bitwise(struct netlink *out, const void *bits, const void *turned, uint32_t length) {
  struct expression mark = expression(out, "bitwise");
  netlink_be32(out, NFTA_BITWISE_SREG, REG_ANY);
  netlink_be32(out, NFTA_BITWISE_DREG, REG_ANY);
  netlink_be32(out, NFTA_BITWISE_LEN, length);
  value(out, NFTA_BITWISE_MASK, bits, length);
  value(out, NFTA_BITWISE_XOR, turned, length);
  finish(out, mark);
}

static void mask(struct netlink *out, const void *bits, uint32_t length) {
  static const uint8_t nothing[16];
  bitwise(out, bits, nothing, length);
}

/* In the header of a datagram, with its checksum. */
static void turn_port(struct netlink *out, uint32_t offset) {
  static const uint8_t all[2] = {255, 255};
  load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof all, REG_ANY);
  bitwise(out, all, all, sizeof all);
  struct expression mark = expression(out, "payload");
  netlink_be32(out, NFTA_PAYLOAD_SREG, REG_ANY);
  netlink_be32(out, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
  netlink_be32(out, NFTA_PAYLOAD_OFFSET, offset);
  netlink_be32(out, NFTA_PAYLOAD_LEN, sizeof all);
  netlink_be32(out, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
  netlink_be32(out, NFTA_PAYLOAD_CSUM_OFFSET, UDP_CHECKSUM);
  finish(out, mark);
}

static void equals(struct netlink *out, const void *data, size_t length) {
  struct expression mark = expression(out, "cmp");
  netlink_be32(out, NFTA_CMP_SREG, REG_ANY);
  netlink_be32(out, NFTA_CMP_OP, NFT_CMP_EQ);
  value(out, NFTA_CMP_DATA, data, length);
  finish(out, mark);
}

static void verdict(struct netlink *out, int code, const char *chain) {
  struct expression mark = expression(out, "immediate");
  netlink_be32(out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  size_t data = netlink_nest(out, NFTA_IMMEDIATE_DATA), inner = netlink_nest(out, NFTA_DATA_VERDICT);
  netlink_be32(out, NFTA_VERDICT_CODE, (uint32_t)code);
  if (chain) netlink_string(out, NFTA_VERDICT_CHAIN, chain);
  netlink_close(out, inner);
  netlink_close(out, data);
  finish(out, mark);
}

static void count(struct netlink *out, const char *counter) {
  struct expression mark = expression(out, "objref");
  netlink_be32(out, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
  netlink_string(out, NFTA_OBJREF_IMM_NAME, counter);
  finish(out, mark);
}

static void to_listener(struct netlink *out, uint16_t port) {
  uint16_t number = htons(port);
  load_value(out, &number, sizeof number, REG_ANY);
  struct expression mark = expression(out, "tproxy");
  netlink_be32(out, NFTA_TPROXY_FAMILY, NFPROTO_UNSPEC);
  netlink_be32(out, NFTA_TPROXY_REG_PORT, REG_ANY);
  finish(out, mark);
}

static void reject(struct netlink *out, enum nft_reject_types type, uint8_t code) {
  struct expression mark = expression(out, "reject");
  netlink_be32(out, NFTA_REJECT_TYPE, type);
  netlink_u8(out, NFTA_REJECT_ICMP_CODE, code);
  finish(out, mark);
}

/* What matches. */

static void if_mark(struct netlink *out, uint32_t mark) {
  load_meta(out, NFT_META_MARK, REG_ANY);
  equals(out, &mark, sizeof mark);
}

static void if_proxy(struct netlink *out) { if_mark(out, NFTABLES_PROXY_MARK); }

static void if_family(struct netlink *out, uint8_t family) {
  load_meta(out, NFT_META_NFPROTO, REG_ANY);
  equals(out, &family, sizeof family);
}

static void if_protocol(struct netlink *out, uint8_t protocol) {
  load_meta(out, NFT_META_L4PROTO, REG_ANY);
  equals(out, &protocol, sizeof protocol);
}

static void if_icmp(struct netlink *out, uint8_t protocol, uint8_t type) {
  if_protocol(out, protocol);
  load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, REG_ANY);
  equals(out, &type, sizeof type);
}

static void if_loopback(struct netlink *out, uint8_t family) {
  static const uint8_t bits[4] = {255}, net[4] = {127}, host[16] = {[15] = 1};
  if_family(out, family);
  if (family == NFPROTO_IPV4) {
    load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, REG_ANY);
    mask(out, bits, sizeof bits);
    equals(out, net, sizeof net);
  } else {
    load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, REG_ANY);
    equals(out, host, sizeof host);
  }
}

/* The first packet of a connection. */
static void if_syn(struct netlink *out) {
  const uint8_t looked_at = TCP_SYN | TCP_ACK, wanted = TCP_SYN;
  if_protocol(out, IPPROTO_TCP);
  load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, 1, REG_ANY);
  mask(out, &looked_at, sizeof looked_at);
  equals(out, &wanted, sizeof wanted);
}

static void if_way_out(struct netlink *out, enum nft_meta_keys key) {
  static const char name[16] = NETWORK_WAY_OUT; /* IFNAMSIZ */
  load_meta(out, key, REG_ANY);
  equals(out, name, sizeof name);
}

/* Protocol, destination and port of a packet of that family, in one piece. */
static void load_destination(struct netlink *out, uint8_t family, bool port) {
  static const uint8_t mapped[16] = {[10] = 255, [11] = 255};
  const uint32_t none = 0;
  if_family(out, family);
  load_meta(out, NFT_META_L4PROTO, REG_PROTOCOL);
  if (family == NFPROTO_IPV4) {
    load_value(out, mapped, 12, REG_ADDRESS);
    load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, REG_ADDRESS + 3);
  } else {
    load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, REG_ADDRESS);
  }
  if (port) load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG_PORT);
  else load_value(out, &none, sizeof none, REG_PORT);
}

static void if_open_for_datagrams(struct netlink *out, uint8_t family) {
  if_protocol(out, IPPROTO_UDP);
  load_destination(out, family, true);
  struct expression mark = expression(out, "lookup");
  netlink_string(out, NFTA_LOOKUP_SET, DATAGRAMS);
  netlink_be32(out, NFTA_LOOKUP_SET_ID, ID_DATAGRAMS);
  netlink_be32(out, NFTA_LOOKUP_SREG, REG_PROTOCOL);
  finish(out, mark);
}

/* Adds the packet's destination to the set of refusals, or one to its counter there. Where the set is full the rule ends. */
static void note(struct netlink *out, uint8_t family, bool port) {
  load_destination(out, family, port);
  struct expression mark = expression(out, "dynset");
  netlink_string(out, NFTA_DYNSET_SET_NAME, REFUSED);
  netlink_be32(out, NFTA_DYNSET_SET_ID, ID_REFUSED);
  netlink_be32(out, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
  netlink_be32(out, NFTA_DYNSET_SREG_KEY, REG_PROTOCOL);
  size_t counter = netlink_nest(out, NFTA_DYNSET_EXPR);
  netlink_string(out, NFTA_EXPR_NAME, "counter");
  netlink_close(out, netlink_nest(out, NFTA_EXPR_DATA));
  netlink_close(out, counter);
  finish(out, mark);
}

/* Table, set, counters, chains. */

/* `size` 0: it grows as it is filled. */
static void make_set(struct netlink *out, const char *name, uint32_t id, uint32_t flags, uint32_t size) {
  begin(out, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_SET_TABLE, TABLE);
  netlink_string(out, NFTA_SET_NAME, name);
  netlink_be32(out, NFTA_SET_ID, id);
  netlink_be32(out, NFTA_SET_FLAGS, flags);
  netlink_be32(out, NFTA_SET_KEY_TYPE, 0);
  netlink_be32(out, NFTA_SET_KEY_LEN, KEY_LENGTH);
  if (size) {
    size_t description = netlink_nest(out, NFTA_SET_DESC);
    netlink_be32(out, NFTA_SET_DESC_SIZE, size);
    netlink_close(out, description);
  }
  netlink_end(out);
}

static void make_counter(struct netlink *out, const char *name) {
  begin(out, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_OBJ_TABLE, TABLE);
  netlink_string(out, NFTA_OBJ_NAME, name);
  netlink_be32(out, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
  netlink_close(out, netlink_nest(out, NFTA_OBJ_DATA));
  netlink_end(out);
}

/* `hook` -1: a chain that others jump to. */
static void make_chain(struct netlink *out, const char *name, int hook, int priority) {
  begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_CHAIN_TABLE, TABLE);
  netlink_string(out, NFTA_CHAIN_NAME, name);
  if (hook >= 0) {
    size_t mark = netlink_nest(out, NFTA_CHAIN_HOOK);
    netlink_be32(out, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
    netlink_be32(out, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    netlink_close(out, mark);
    netlink_be32(out, NFTA_CHAIN_POLICY, NF_ACCEPT);
    netlink_string(out, NFTA_CHAIN_TYPE, "filter");
  }
  netlink_end(out);
}

static size_t rule(struct netlink *out, const char *chain, uint16_t flags) {
  begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags);
  netlink_string(out, NFTA_RULE_TABLE, TABLE);
  netlink_string(out, NFTA_RULE_CHAIN, chain);
  return netlink_nest(out, NFTA_RULE_EXPRESSIONS);
}

static void rule_end(struct netlink *out, size_t mark) {
  netlink_close(out, mark);
  netlink_end(out);
}

#define RULE(out, chain, ...)          \
  do {                                 \
    size_t rule_ = rule(out, chain, 0); \
    __VA_ARGS__;                       \
    rule_end(out, rule_);              \
  } while (0)

static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

/* Where packets of the guest begin, and the proxy's answers. */
static void output_rules(struct netlink *out, uint16_t port) {
  uint16_t listener = htons(port);
  uint16_t resolver = htons(53);
  RULE(out, "output", if_proxy(out), count(out, "received"), verdict(out, NF_ACCEPT, NULL));
  RULE(out, "output", if_mark(out, NFTABLES_DATAGRAM_MARK), if_protocol(out, IPPROTO_UDP), turn_port(out, UDP_SOURCE),
       count(out, "received"), verdict(out, NF_ACCEPT, NULL));
  for (int i = 0; i < 2; i++) RULE(out, "output", if_loopback(out, families[i]), verdict(out, NFT_GOTO, "own"));
  RULE(out, "output", if_protocol(out, IPPROTO_TCP), count(out, "sent"), verdict(out, NF_ACCEPT, NULL));
  for (int i = 0; i < 2; i++)
    RULE(out, "output", if_open_for_datagrams(out, families[i]), turn_port(out, UDP_DESTINATION), count(out, "sent"),
         verdict(out, NF_ACCEPT, NULL));
  /* The kernel's word to the guest that something was refused: a guest cannot send these itself. */
  RULE(out, "output", if_icmp(out, IPPROTO_ICMP, 3), verdict(out, NF_ACCEPT, NULL));
  RULE(out, "output", if_icmp(out, IPPROTO_ICMPV6, 1), verdict(out, NF_ACCEPT, NULL));
  RULE(out, "output", verdict(out, NFT_GOTO, "refuse"));
  /* What is asked of the resolver goes to the proxy as well: a run that sent nothing has nothing to be told of. */
  for (int i = 0; i < 2; i++)
    RULE(out, "own", if_protocol(out, i == 0 ? IPPROTO_UDP : IPPROTO_TCP),
         load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG_ANY), equals(out, &resolver, sizeof resolver),
         count(out, "sent"), verdict(out, NF_ACCEPT, NULL));
  RULE(out, "own", if_protocol(out, IPPROTO_TCP), load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG_ANY),
       equals(out, &listener, sizeof listener), verdict(out, NFT_GOTO, "refuse_port"));
}

/* Where they arrive, all on loopback. */
static void arrival_rules(struct netlink *out, uint16_t port) {
  RULE(out, "arrival", if_proxy(out), verdict(out, NF_ACCEPT, NULL));
  for (int i = 0; i < 2; i++) RULE(out, "arrival", if_loopback(out, families[i]), verdict(out, NF_ACCEPT, NULL));
  /* Every packet and not the first alone: an answer to a SYN cookie finds its listener only through this. Without a listener
     the rule ends at its second line. */
  RULE(out, "arrival", if_protocol(out, IPPROTO_TCP), to_listener(out, port), verdict(out, NF_ACCEPT, NULL));
  RULE(out, "arrival", if_syn(out), verdict(out, NFT_GOTO, "refuse_port"));
}

/* Before all others: what leaves by an interface, and what it brings. The mark of a socket does not count here, since the
   proxy has none that sends there. */
static void packet_rules(struct netlink *out) {
  RULE(out, "output", if_way_out(out, NFT_META_OIFNAME), verdict(out, NFT_GOTO, NFTABLES_PACKETS));
  RULE(out, "arrival", if_way_out(out, NFT_META_IIFNAME), count(out, "received"), verdict(out, NF_ACCEPT, NULL));
}

static void refusing_rules(struct netlink *out) {
  RULE(out, "refuse", if_protocol(out, IPPROTO_UDP), verdict(out, NFT_GOTO, "refuse_port"));
  RULE(out, "refuse", if_protocol(out, IPPROTO_TCP), verdict(out, NFT_GOTO, "refuse_port"));
  for (int i = 0; i < 2; i++) RULE(out, "refuse", note(out, families[i], false));
  RULE(out, "refuse", count(out, REFUSED), reject(out, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED));
  for (int i = 0; i < 2; i++) RULE(out, "refuse_port", note(out, families[i], true));
  RULE(out, "refuse_port", if_protocol(out, IPPROTO_TCP), count(out, REFUSED), reject(out, NFT_REJECT_TCP_RST, 0));
  size_t last = rule(out, "refuse_port", NLM_F_ACK);
  count(out, REFUSED);
  reject(out, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
  rule_end(out, last);
}

struct err nftables_open(int *out) { return netlink_open(NETLINK_NETFILTER, out); }

struct err nftables_filter(int socket, uint16_t port, bool packets) {
  uint8_t bytes[16 * 1024] __attribute__((aligned(8)));
  struct netlink messages = {.data = bytes, .capacity = sizeof bytes};
  struct netlink *out = &messages;
  batch(out, NFNL_MSG_BATCH_BEGIN);
  begin(out, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_TABLE_NAME, TABLE);
  netlink_end(out);
  make_set(out, REFUSED, ID_REFUSED, NFT_SET_EVAL, NFTABLES_NOTED_MAX);
  make_set(out, DATAGRAMS, ID_DATAGRAMS, 0, 0);
  make_counter(out, "sent");
  make_counter(out, "received");
  make_counter(out, REFUSED);
  make_chain(out, "refuse", -1, 0);
  make_chain(out, "refuse_port", -1, 0);
  make_chain(out, "own", -1, 0);
  make_chain(out, "output", NF_INET_LOCAL_OUT, 0);
  make_chain(out, "arrival", NF_INET_PRE_ROUTING, -150);
  if (packets) make_chain(out, NFTABLES_PACKETS, -1, 0);
  if (packets) packet_rules(out);
  if (port) output_rules(out, port);
  if (port) arrival_rules(out, port);
  refusing_rules(out);
  batch(out, NFNL_MSG_BATCH_END);
  return netlink_carry_out(socket, out, "packet filter");
}

struct err nftables_open_datagrams(int socket, const uint8_t address[16], uint16_t port) {
  uint8_t bytes[512] __attribute__((aligned(8))), key[KEY_LENGTH] = {IPPROTO_UDP};
  struct netlink messages = {.data = bytes, .capacity = sizeof bytes};
  struct netlink *out = &messages;
  memcpy(key + 4, address, 16);
  key[20] = (uint8_t)(port >> 8);
  key[21] = (uint8_t)port;
  batch(out, NFNL_MSG_BATCH_BEGIN);
  begin(out, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK);
  netlink_string(out, NFTA_SET_ELEM_LIST_TABLE, TABLE);
  netlink_string(out, NFTA_SET_ELEM_LIST_SET, DATAGRAMS);
  size_t elements = netlink_nest(out, NFTA_SET_ELEM_LIST_ELEMENTS), element = netlink_nest(out, NFTA_LIST_ELEM);
  value(out, NFTA_SET_ELEM_KEY, key, sizeof key);
  netlink_close(out, element);
  netlink_close(out, elements);
  netlink_end(out);
  batch(out, NFNL_MSG_BATCH_END);
  return netlink_carry_out(socket, out, "open for datagrams");
}

/* Reading. */

struct reader {
  struct nftables_totals *totals;
  void (*each)(void *context, const struct nftables_refusal *refusal);
  void *context;
};

static void read_element(const struct reader *reader, struct netlink_view element) {
  struct netlink_view key = netlink_find(netlink_find(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
  struct netlink_view counter = netlink_find(netlink_find(element, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
  if (key.length != KEY_LENGTH) return;
  struct nftables_refusal refusal = {.protocol = key.data[0], .port = (uint32_t)(key.data[20] << 8 | key.data[21]),
                                     .packets = netlink_be64_of(netlink_find(counter, NFTA_COUNTER_PACKETS))};
  memcpy(refusal.address, key.data + 4, sizeof refusal.address);
  reader->each(reader->context, &refusal);
}

static void read_elements(void *context, struct netlink_view message) {
  struct netlink_view elements = netlink_find(message, NFTA_SET_ELEM_LIST_ELEMENTS), element;
  uint16_t type;
  while (netlink_next(&elements, &type, &element)) read_element(context, element);
}

static void read_counter(void *context, struct netlink_view message) {
  struct nftables_totals *totals = ((struct reader *)context)->totals;
  struct netlink_view name = netlink_find(message, NFTA_OBJ_NAME), data = netlink_find(message, NFTA_OBJ_DATA);
  uint64_t bytes = netlink_be64_of(netlink_find(data, NFTA_COUNTER_BYTES));
  uint64_t packets = netlink_be64_of(netlink_find(data, NFTA_COUNTER_PACKETS));
  if (name.length == sizeof "sent" && memcmp(name.data, "sent", name.length) == 0) {
    totals->sent_bytes = bytes;
    totals->sent_packets = packets;
  } else if (name.length == sizeof "received" && memcmp(name.data, "received", name.length) == 0) {
    totals->received_bytes = bytes;
    totals->received_packets = packets;
  } else {
    totals->refused_packets = packets;
  }
}

static struct netlink request(uint8_t *bytes, size_t capacity) {
  return (struct netlink){.data = bytes, .capacity = capacity};
}

struct err nftables_read(int socket, struct nftables_totals *totals,
                         void (*each)(void *context, const struct nftables_refusal *refusal), void *context) {
  uint8_t bytes[128] __attribute__((aligned(8)));
  struct reader reader = {totals, each, context};
  *totals = (struct nftables_totals){0};
  struct netlink counters = request(bytes, sizeof bytes);
  begin(&counters, NFT_MSG_GETOBJ, NLM_F_DUMP);
  netlink_string(&counters, NFTA_OBJ_TABLE, TABLE);
  netlink_end(&counters);
  TRY(netlink_dump(socket, &counters, sizeof(struct nfgenmsg), read_counter, &reader, "read counters"));
  /* Most runs have none, and then there is nothing to list. */
  if (totals->refused_packets == 0 || !each) return OK;
  struct netlink elements = request(bytes, sizeof bytes);
  begin(&elements, NFT_MSG_GETSETELEM, NLM_F_DUMP);
  netlink_string(&elements, NFTA_SET_ELEM_LIST_TABLE, TABLE);
  netlink_string(&elements, NFTA_SET_ELEM_LIST_SET, REFUSED);
  netlink_end(&elements);
  return netlink_dump(socket, &elements, sizeof(struct nfgenmsg), read_elements, &reader, "read refusals");
}
