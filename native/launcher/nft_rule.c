#include "nft_rule.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>


void nft_begin(struct netlink *out, uint16_t operation, uint16_t flags) {
  struct nfgenmsg family = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
  netlink_begin(out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | operation), flags, &family, sizeof family);
}

void nft_batch(struct netlink *out, uint16_t type) {
  struct nfgenmsg family = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  netlink_begin(out, type, 0, &family, sizeof family);
  netlink_end(out);
}

void nft_table(struct netlink *out, const char *table, uint32_t flags) {
  nft_begin(out, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_TABLE_NAME, table);
  netlink_be32(out, NFTA_TABLE_FLAGS, flags);
  netlink_end(out);
}

void nft_counter(struct netlink *out, const char *table, const char *name) {
  nft_begin(out, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_OBJ_TABLE, table);
  netlink_string(out, NFTA_OBJ_NAME, name);
  netlink_be32(out, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
  netlink_close(out, netlink_nest(out, NFTA_OBJ_DATA));
  netlink_end(out);
}

void nft_chain(struct netlink *out, const char *table, const char *name, const char *type, int hook, int priority) {
  nft_begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
  netlink_string(out, NFTA_CHAIN_TABLE, table);
  netlink_string(out, NFTA_CHAIN_NAME, name);
  if (hook >= 0) {
    size_t mark = netlink_nest(out, NFTA_CHAIN_HOOK);
    netlink_be32(out, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
    netlink_be32(out, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    netlink_close(out, mark);
    netlink_be32(out, NFTA_CHAIN_POLICY, NF_ACCEPT);
    netlink_string(out, NFTA_CHAIN_TYPE, type);
  }
  netlink_end(out);
}

size_t nft_rule(struct netlink *out, const char *table, const char *chain, uint16_t flags) {
  nft_begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags);
  netlink_string(out, NFTA_RULE_TABLE, table);
  netlink_string(out, NFTA_RULE_CHAIN, chain);
  return netlink_nest(out, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct netlink *out, size_t mark) {
  netlink_close(out, mark);
  netlink_end(out);
}

struct nft_expression nft_expression(struct netlink *out, const char *name) {
  struct nft_expression mark = {netlink_nest(out, NFTA_LIST_ELEM), 0};
  netlink_string(out, NFTA_EXPR_NAME, name);
  mark.data = netlink_nest(out, NFTA_EXPR_DATA);
  return mark;
}

void nft_expression_end(struct netlink *out, struct nft_expression mark) {
  netlink_close(out, mark.data);
  netlink_close(out, mark.element);
}

void nft_value(struct netlink *out, uint16_t type, const void *data, size_t length) {
  size_t mark = netlink_nest(out, type);
  netlink_attribute(out, NFTA_DATA_VALUE, data, length);
  netlink_close(out, mark);
}

void nft_load_meta(struct netlink *out, enum nft_meta_keys key, uint32_t reg) {
  struct nft_expression mark = nft_expression(out, "meta");
  netlink_be32(out, NFTA_META_DREG, reg);
  netlink_be32(out, NFTA_META_KEY, key);
  nft_expression_end(out, mark);
}

void nft_load_payload(struct netlink *out, enum nft_payload_bases base, uint32_t offset, uint32_t length, uint32_t reg) {
  struct nft_expression mark = nft_expression(out, "payload");
  netlink_be32(out, NFTA_PAYLOAD_DREG, reg);
  netlink_be32(out, NFTA_PAYLOAD_BASE, base);
  netlink_be32(out, NFTA_PAYLOAD_OFFSET, offset);
  netlink_be32(out, NFTA_PAYLOAD_LEN, length);
  nft_expression_end(out, mark);
}

void nft_load_value(struct netlink *out, const void *data, size_t length, uint32_t reg) {
  struct nft_expression mark = nft_expression(out, "immediate");
  netlink_be32(out, NFTA_IMMEDIATE_DREG, reg);
  nft_value(out, NFTA_IMMEDIATE_DATA, data, length);
  nft_expression_end(out, mark);
}

void nft_bitwise(struct netlink *out, const void *bits, const void *turned, uint32_t length) {
  struct nft_expression mark = nft_expression(out, "bitwise");
  netlink_be32(out, NFTA_BITWISE_SREG, NFT_RULE_REG);
  netlink_be32(out, NFTA_BITWISE_DREG, NFT_RULE_REG);
  netlink_be32(out, NFTA_BITWISE_LEN, length);
  nft_value(out, NFTA_BITWISE_MASK, bits, length);
  nft_value(out, NFTA_BITWISE_XOR, turned, length);
  nft_expression_end(out, mark);
}

static void mask(struct netlink *out, const void *bits, uint32_t length) {
  static const uint8_t nothing[4];
  nft_bitwise(out, bits, nothing, length);
}

static void compare(struct netlink *out, enum nft_cmp_ops operation, const void *data, size_t length) {
  struct nft_expression mark = nft_expression(out, "cmp");
  netlink_be32(out, NFTA_CMP_SREG, NFT_RULE_REG);
  netlink_be32(out, NFTA_CMP_OP, operation);
  nft_value(out, NFTA_CMP_DATA, data, length);
  nft_expression_end(out, mark);
}

void nft_equals(struct netlink *out, const void *data, size_t length) { compare(out, NFT_CMP_EQ, data, length); }

void nft_if_meta(struct netlink *out, enum nft_meta_keys key, const void *data, size_t length) {
  nft_load_meta(out, key, NFT_RULE_REG);
  nft_equals(out, data, length);
}

void nft_if_not_meta(struct netlink *out, enum nft_meta_keys key, const void *data, size_t length) {
  nft_load_meta(out, key, NFT_RULE_REG);
  compare(out, NFT_CMP_NEQ, data, length);
}

void nft_if_named(struct netlink *out, enum nft_meta_keys key, const char *name) {
  char padded[IFNAMSIZ] = {0};
  snprintf(padded, sizeof padded, "%s", name);
  nft_if_meta(out, key, padded, sizeof padded);
}

void nft_if_ipv4(struct netlink *out, uint32_t offset, const uint8_t address[4], uint32_t prefix) {
  const uint8_t family = NFPROTO_IPV4;
  uint32_t bits = htonl(prefix == 0 ? 0 : ~0u << (32 - prefix));
  nft_if_meta(out, NFT_META_NFPROTO, &family, sizeof family);
  if (prefix == 0) return;
  nft_load_payload(out, NFT_PAYLOAD_NETWORK_HEADER, offset, 4, NFT_RULE_REG);
  if (prefix < 32) mask(out, &bits, sizeof bits);
  nft_equals(out, address, 4);
}

void nft_if_port(struct netlink *out, uint16_t from, uint16_t to) {
  uint16_t first = htons(from), last = htons(to);
  nft_load_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof first, NFT_RULE_REG);
  if (from == to) {
    nft_equals(out, &first, sizeof first);
    return;
  }
  compare(out, NFT_CMP_GTE, &first, sizeof first);
  compare(out, NFT_CMP_LTE, &last, sizeof last);
}

void nft_if_tracked(struct netlink *out, uint32_t states) {
  const uint32_t none = 0;
  struct nft_expression mark = nft_expression(out, "ct");
  netlink_be32(out, NFTA_CT_DREG, NFT_RULE_REG);
  netlink_be32(out, NFTA_CT_KEY, NFT_CT_STATE);
  nft_expression_end(out, mark);
  mask(out, &states, sizeof states);
  compare(out, NFT_CMP_NEQ, &none, sizeof none);
}

void nft_if_crowded(struct netlink *out, uint32_t connections) {
  nft_if_tracked(out, NF_CT_STATE_BIT(IP_CT_NEW));
  struct nft_expression mark = nft_expression(out, "connlimit");
  netlink_be32(out, NFTA_CONNLIMIT_COUNT, connections);
  netlink_be32(out, NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
  nft_expression_end(out, mark);
}

void nft_count(struct netlink *out, const char *counter) {
  struct nft_expression mark = nft_expression(out, "objref");
  netlink_be32(out, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
  netlink_string(out, NFTA_OBJREF_IMM_NAME, counter);
  nft_expression_end(out, mark);
}

void nft_verdict(struct netlink *out, int code, const char *chain) {
  struct nft_expression mark = nft_expression(out, "immediate");
  netlink_be32(out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  size_t data = netlink_nest(out, NFTA_IMMEDIATE_DATA), inner = netlink_nest(out, NFTA_DATA_VERDICT);
  netlink_be32(out, NFTA_VERDICT_CODE, (uint32_t)code);
  if (chain) netlink_string(out, NFTA_VERDICT_CHAIN, chain);
  netlink_close(out, inner);
  netlink_close(out, data);
  nft_expression_end(out, mark);
}

void nft_masquerade(struct netlink *out) { nft_expression_end(out, nft_expression(out, "masq")); }
