#include "nftables.h"

#include "nft_rule.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "network.h"

#define TABLE NFTABLES_TABLE
#define REFUSED NFTABLES_REFUSED
#define DATAGRAMS "datagrams" /* destinations that are open for them */
#define TCP_FLAGS 13 /* offset in its header (RFC 9293) */
#define UDP_SOURCE 0 /* RFC 768 */
#define UDP_DESTINATION 2
#define UDP_CHECKSUM 6
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* Registers: the key of a refusal lies in one piece, beside NFT_RULE_REG. */
enum { REG_PROTOCOL = NFT_REG32_00, REG_ADDRESS = NFT_REG32_01, REG_PORT = NFT_REG32_05 };
enum { ID_REFUSED = 1, ID_DATAGRAMS = 2 }; /* of the sets, within the transaction that makes them */

/* In the header of a datagram, with its checksum. */
static void turn_port(struct netlink *out, uint32_t offset) {
  static const uint8_t all[2] = {255, 255};
  nft_load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof all, NFT_RULE_REG);
  nft_bitwise(out, all, all, sizeof all);
  struct nft_expression mark = nft_expression(out, "payload");
  netlink_be32(out, NFTA_PAYLOAD_SREG, NFT_RULE_REG);
  netlink_be32(out, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
  netlink_be32(out, NFTA_PAYLOAD_OFFSET, offset);
  netlink_be32(out, NFTA_PAYLOAD_LEN, sizeof all);
  netlink_be32(out, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
  netlink_be32(out, NFTA_PAYLOAD_CSUM_OFFSET, UDP_CHECKSUM);
  nft_expression_end(out, mark);
}

static void to_listener(struct netlink *out, uint16_t port) {
  uint16_t number = htons(port);
  nft_load_value(out, &number, sizeof number, NFT_RULE_REG);
  struct nft_expression mark = nft_expression(out, "tproxy");
  netlink_be32(out, NFTA_TPROXY_FAMILY, NFPROTO_UNSPEC);
  netlink_be32(out, NFTA_TPROXY_REG_PORT, NFT_RULE_REG);
  nft_expression_end(out, mark);
}

static void reject(struct netlink *out, enum nft_reject_types type, uint8_t code) {
  struct nft_expression mark = nft_expression(out, "reject");
  netlink_be32(out, NFTA_REJECT_TYPE, type);
  netlink_u8(out, NFTA_REJECT_ICMP_CODE, code);
  nft_expression_end(out, mark);
}

/* What matches. */

static void if_mark(struct netlink *out, uint32_t mark) { nft_if_meta(out, NFT_META_MARK, &mark, sizeof mark); }

static void if_proxy(struct netlink *out) { if_mark(out, NFTABLES_PROXY_MARK); }

static void if_family(struct netlink *out, uint8_t family) { nft_if_meta(out, NFT_META_NFPROTO, &family, sizeof family); }

static void if_protocol(struct netlink *out, uint8_t protocol) {
  nft_if_meta(out, NFT_META_L4PROTO, &protocol, sizeof protocol);
}

static void if_icmp(struct netlink *out, uint8_t protocol, uint8_t type) {
  if_protocol(out, protocol);
  nft_load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_RULE_REG);
  nft_equals(out, &type, sizeof type);
}

static void if_loopback(struct netlink *out, uint8_t family) {
  static const uint8_t net[4] = {127}, host[16] = {[15] = 1};
  if (family == NFPROTO_IPV4) {
    nft_if_ipv4(out, NFT_IPV4_DESTINATION, net, 8);
  } else {
    if_family(out, family);
    nft_load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, NFT_RULE_REG);
    nft_equals(out, host, sizeof host);
  }
}

/* The first packet of a connection. */
static void if_syn(struct netlink *out) {
  static const uint8_t looked_at = TCP_SYN | TCP_ACK, wanted = TCP_SYN, nothing = 0;
  if_protocol(out, IPPROTO_TCP);
  nft_load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, 1, NFT_RULE_REG);
  nft_bitwise(out, &looked_at, &nothing, sizeof looked_at);
  nft_equals(out, &wanted, sizeof wanted);
}

/* Protocol, destination and port of a packet of that family, in one piece. */
static void load_destination(struct netlink *out, uint8_t family, bool port) {
  static const uint8_t mapped[16] = {[10] = 255, [11] = 255};
  const uint32_t none = 0;
  if_family(out, family);
  nft_load_meta(out, NFT_META_L4PROTO, REG_PROTOCOL);
  if (family == NFPROTO_IPV4) {
    nft_load_value(out, mapped, 12, REG_ADDRESS);
    nft_load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, REG_ADDRESS + 3);
  } else {
    nft_load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, REG_ADDRESS);
  }
  if (port) nft_load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG_PORT);
  else nft_load_value(out, &none, sizeof none, REG_PORT);
}

static void if_open_for_datagrams(struct netlink *out, uint8_t family) {
  if_protocol(out, IPPROTO_UDP);
  load_destination(out, family, true);
  struct nft_expression mark = nft_expression(out, "lookup");
  netlink_string(out, NFTA_LOOKUP_SET, DATAGRAMS);
  netlink_be32(out, NFTA_LOOKUP_SET_ID, ID_DATAGRAMS);
  netlink_be32(out, NFTA_LOOKUP_SREG, REG_PROTOCOL);
  nft_expression_end(out, mark);
}

/* Adds the packet's destination to the set of refusals, or one to its counter there. Where the set is full the rule ends. */
static void note(struct netlink *out, uint8_t family, bool port) {
  load_destination(out, family, port);
  struct nft_expression mark = nft_expression(out, "dynset");
  netlink_string(out, NFTA_DYNSET_SET_NAME, REFUSED);
  netlink_be32(out, NFTA_DYNSET_SET_ID, ID_REFUSED);
  netlink_be32(out, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
  netlink_be32(out, NFTA_DYNSET_SREG_KEY, REG_PROTOCOL);
  size_t counter = netlink_nest(out, NFTA_DYNSET_EXPR);
  netlink_string(out, NFTA_EXPR_NAME, "counter");
  netlink_close(out, netlink_nest(out, NFTA_EXPR_DATA));
  netlink_close(out, counter);
  nft_expression_end(out, mark);
}

/* `size` 0: it grows as it is filled. */
static void make_set(struct netlink *out, const char *name, uint32_t id, uint32_t flags, uint32_t size) {
  nft_begin(out, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_SET_TABLE, TABLE);
  netlink_string(out, NFTA_SET_NAME, name);
  netlink_be32(out, NFTA_SET_ID, id);
  netlink_be32(out, NFTA_SET_FLAGS, flags);
  netlink_be32(out, NFTA_SET_KEY_TYPE, 0);
  netlink_be32(out, NFTA_SET_KEY_LEN, NFTABLES_KEY_LENGTH);
  if (size) {
    size_t description = netlink_nest(out, NFTA_SET_DESC);
    netlink_be32(out, NFTA_SET_DESC_SIZE, size);
    netlink_close(out, description);
  }
  netlink_end(out);
}

#define RULE(out, chain, ...) NFT_RULE(out, TABLE, chain, __VA_ARGS__)

static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

/* Where packets of the guest begin, and the proxy's answers. */
static void output_rules(struct netlink *out, uint16_t port) {
  RULE(out, "output", if_proxy(out), nft_count(out, "received"), nft_verdict(out, NF_ACCEPT, NULL));
  RULE(out, "output", if_mark(out, NFTABLES_DATAGRAM_MARK), if_protocol(out, IPPROTO_UDP), turn_port(out, UDP_SOURCE),
       nft_count(out, "received"), nft_verdict(out, NF_ACCEPT, NULL));
  for (int i = 0; i < 2; i++) RULE(out, "output", if_loopback(out, families[i]), nft_verdict(out, NFT_GOTO, "own"));
  RULE(out, "output", if_protocol(out, IPPROTO_TCP), nft_count(out, "sent"), nft_verdict(out, NF_ACCEPT, NULL));
  for (int i = 0; i < 2; i++)
    RULE(out, "output", if_open_for_datagrams(out, families[i]), turn_port(out, UDP_DESTINATION), nft_count(out, "sent"),
         nft_verdict(out, NF_ACCEPT, NULL));
  /* The kernel's word to the guest that something was refused: a guest cannot send these itself. */
  RULE(out, "output", if_icmp(out, IPPROTO_ICMP, 3), nft_verdict(out, NF_ACCEPT, NULL));
  RULE(out, "output", if_icmp(out, IPPROTO_ICMPV6, 1), nft_verdict(out, NF_ACCEPT, NULL));
  RULE(out, "output", nft_verdict(out, NFT_GOTO, "refuse"));
  /* What is asked of the resolver goes to the proxy as well: a run that sent nothing has nothing to be told of. */
  for (int i = 0; i < 2; i++)
    RULE(out, "own", if_protocol(out, i == 0 ? IPPROTO_UDP : IPPROTO_TCP),
         nft_if_port(out, 53, 53),
         nft_count(out, "sent"), nft_verdict(out, NF_ACCEPT, NULL));
  RULE(out, "own", if_protocol(out, IPPROTO_TCP), nft_if_port(out, port, port), nft_verdict(out, NFT_GOTO, "refuse_port"));
}

/* Where they arrive, all on loopback. */
static void arrival_rules(struct netlink *out, uint16_t port) {
  RULE(out, "arrival", if_proxy(out), nft_verdict(out, NF_ACCEPT, NULL));
  for (int i = 0; i < 2; i++) RULE(out, "arrival", if_loopback(out, families[i]), nft_verdict(out, NF_ACCEPT, NULL));
  /* Every packet and not the first alone: an answer to a SYN cookie finds its listener only through this. Without a listener
     the rule ends at its second line. */
  RULE(out, "arrival", if_protocol(out, IPPROTO_TCP), to_listener(out, port), nft_verdict(out, NF_ACCEPT, NULL));
  RULE(out, "arrival", if_syn(out), nft_verdict(out, NFT_GOTO, "refuse_port"));
}

/* Before all others: what leaves by an interface, and what it brings. The mark of a socket does not count here, since the
   proxy has none that sends there. */
static void packet_rules(struct netlink *out) {
  RULE(out, "output", nft_if_named(out, NFT_META_OIFNAME, NETWORK_WAY_OUT), nft_verdict(out, NFT_GOTO, NFTABLES_PACKETS));
  RULE(out, "arrival", nft_if_named(out, NFT_META_IIFNAME, NETWORK_WAY_OUT), nft_count(out, "received"), nft_verdict(out, NF_ACCEPT, NULL));
}

static void refusing_rules(struct netlink *out) {
  RULE(out, "refuse", if_protocol(out, IPPROTO_UDP), nft_verdict(out, NFT_GOTO, "refuse_port"));
  RULE(out, "refuse", if_protocol(out, IPPROTO_TCP), nft_verdict(out, NFT_GOTO, "refuse_port"));
  for (int i = 0; i < 2; i++) RULE(out, "refuse", note(out, families[i], false));
  RULE(out, "refuse", nft_count(out, REFUSED), reject(out, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED));
  for (int i = 0; i < 2; i++) RULE(out, "refuse_port", note(out, families[i], true));
  RULE(out, "refuse_port", if_protocol(out, IPPROTO_TCP), nft_count(out, REFUSED), reject(out, NFT_REJECT_TCP_RST, 0));
  size_t last = nft_rule(out, TABLE, "refuse_port", NLM_F_ACK);
  nft_count(out, REFUSED);
  reject(out, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
  nft_rule_end(out, last);
}

struct err nftables_open(int *out) { return netlink_open(NETLINK_NETFILTER, out); }

struct err nftables_filter(int socket, uint16_t port, bool packets) {
  uint8_t bytes[16 * 1024] __attribute__((aligned(8)));
  struct netlink messages = {.data = bytes, .capacity = sizeof bytes};
  struct netlink *out = &messages;
  nft_batch(out, NFNL_MSG_BATCH_BEGIN);
  nft_table(out, TABLE, 0);
  make_set(out, REFUSED, ID_REFUSED, NFT_SET_EVAL, NFTABLES_NOTED_MAX);
  make_set(out, DATAGRAMS, ID_DATAGRAMS, 0, 0);
  nft_counter(out, TABLE, "sent");
  nft_counter(out, TABLE, "received");
  nft_counter(out, TABLE, REFUSED);
  nft_chain(out, TABLE, "refuse", NULL, -1, 0);
  nft_chain(out, TABLE, "refuse_port", NULL, -1, 0);
  nft_chain(out, TABLE, "own", NULL, -1, 0);
  nft_chain(out, TABLE, "output", "filter", NF_INET_LOCAL_OUT, 0);
  nft_chain(out, TABLE, "arrival", "filter", NF_INET_PRE_ROUTING, -150);
  if (packets) nft_chain(out, TABLE, NFTABLES_PACKETS, NULL, -1, 0);
  if (packets) packet_rules(out);
  if (port) output_rules(out, port);
  if (port) arrival_rules(out, port);
  refusing_rules(out);
  nft_batch(out, NFNL_MSG_BATCH_END);
  return netlink_carry_out(socket, out, "packet filter");
}

struct err nftables_open_datagrams(int socket, const uint8_t address[16], uint16_t port) {
  uint8_t bytes[512] __attribute__((aligned(8))), key[NFTABLES_KEY_LENGTH] = {IPPROTO_UDP};
  struct netlink messages = {.data = bytes, .capacity = sizeof bytes};
  struct netlink *out = &messages;
  memcpy(key + 4, address, 16);
  key[20] = (uint8_t)(port >> 8);
  key[21] = (uint8_t)port;
  nft_batch(out, NFNL_MSG_BATCH_BEGIN);
  nft_begin(out, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK);
  netlink_string(out, NFTA_SET_ELEM_LIST_TABLE, TABLE);
  netlink_string(out, NFTA_SET_ELEM_LIST_SET, DATAGRAMS);
  size_t elements = netlink_nest(out, NFTA_SET_ELEM_LIST_ELEMENTS), element = netlink_nest(out, NFTA_LIST_ELEM);
  nft_value(out, NFTA_SET_ELEM_KEY, key, sizeof key);
  netlink_close(out, element);
  netlink_close(out, elements);
  netlink_end(out);
  nft_batch(out, NFNL_MSG_BATCH_END);
  return netlink_carry_out(socket, out, "open for datagrams");
}
