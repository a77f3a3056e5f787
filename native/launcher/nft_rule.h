/* Parts of a packet filter (nf_tables over nfnetlink), each written into a buffer of messages. Tables are of the family inet.
   A rule is what lies between nft_rule and nft_rule_end: conditions, then what happens. */
#ifndef CAISSON_NFT_RULE_H
#define CAISSON_NFT_RULE_H

#include <netinet/in.h> /* before the kernel's own of the same names */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "netlink.h"

/* A transaction: NFNL_MSG_BATCH_BEGIN, then the rest, then NFNL_MSG_BATCH_END. */
void nft_batch(struct netlink *out, uint16_t type);
/* A message of one operation, which netlink_end ends. */
void nft_begin(struct netlink *out, uint16_t operation, uint16_t flags);

/* `flags`: NFT_TABLE_F_*. With NFT_TABLE_F_OWNER the table ends with the socket that made it. */
void nft_table(struct netlink *out, const char *table, uint32_t flags);
void nft_counter(struct netlink *out, const char *table, const char *name);
/* `hook` -1: a chain that others jump to; `type` is then nothing. Else "filter" or "nat". */
void nft_chain(struct netlink *out, const char *table, const char *name, const char *type, int hook, int priority);

/* `flags`: NLM_F_ACK, which the last message of a transaction needs. Returns the mark for nft_rule_end. */
size_t nft_rule(struct netlink *out, const char *table, const char *chain, uint16_t flags);
void nft_rule_end(struct netlink *out, size_t mark);

/* What the parts below are made of: expressions, each with attributes of its own between nft_expression and its end. */
struct nft_expression {
  size_t element, data;
};
struct nft_expression nft_expression(struct netlink *out, const char *name);
void nft_expression_end(struct netlink *out, struct nft_expression mark);
void nft_value(struct netlink *out, uint16_t type, const void *data, size_t length);

/* Conditions load into this register and compare it; NFT_REG32_00 to _11 are left for keys of sets. */
#define NFT_RULE_REG NFT_REG_4
void nft_load_meta(struct netlink *out, enum nft_meta_keys key, uint32_t reg);
void nft_load_payload(struct netlink *out, enum nft_payload_bases base, uint32_t offset, uint32_t length, uint32_t reg);
void nft_load_value(struct netlink *out, const void *data, size_t length, uint32_t reg);
/* Of NFT_RULE_REG: (value & bits) ^ turned. */
void nft_bitwise(struct netlink *out, const void *bits, const void *turned, uint32_t length);
void nft_equals(struct netlink *out, const void *data, size_t length);

/* Conditions. */
void nft_if_meta(struct netlink *out, enum nft_meta_keys key, const void *data, size_t length);
void nft_if_not_meta(struct netlink *out, enum nft_meta_keys key, const void *data, size_t length);
/* The name of an interface: NFT_META_IIFNAME or NFT_META_OIFNAME. */
void nft_if_named(struct netlink *out, enum nft_meta_keys key, const char *name);
/* An IPv4 address in the network header, at NFT_IPV4_SOURCE or NFT_IPV4_DESTINATION, within a block. */
enum { NFT_IPV4_SOURCE = 12, NFT_IPV4_DESTINATION = 16 };
void nft_if_ipv4(struct netlink *out, uint32_t offset, const uint8_t address[4], uint32_t prefix);
void nft_if_port(struct netlink *out, uint16_t from, uint16_t to);
/* Whether the state of its connection is among `states` (bits of NF_CT_STATE_*). */
void nft_if_tracked(struct netlink *out, uint32_t states);
/* Whether it begins a connection, and this rule has seen that many begin that have not ended. */
void nft_if_crowded(struct netlink *out, uint32_t connections);

/* What happens. */
void nft_count(struct netlink *out, const char *counter);
/* `chain` for NFT_GOTO and NFT_JUMP. */
void nft_verdict(struct netlink *out, int code, const char *chain);
void nft_masquerade(struct netlink *out);

#define NFT_RULE(out, table, chain, ...)               \
  do {                                                 \
    size_t nft_rule_ = nft_rule(out, table, chain, 0); \
    __VA_ARGS__;                                       \
    nft_rule_end(out, nft_rule_);                      \
  } while (0)

#endif
