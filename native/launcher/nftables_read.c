#include "nftables.h"

#include "nft_rule.h"

#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct reader {
  struct nftables_totals *totals;
  void (*each)(void *context, const struct nftables_refusal *refusal);
  void *context;
};

static void read_element(const struct reader *reader, struct netlink_view element) {
  struct netlink_view key = netlink_find(netlink_find(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
  struct netlink_view counter = netlink_find(netlink_find(element, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
  if (key.length != NFTABLES_KEY_LENGTH) return;
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
  nft_begin(&counters, NFT_MSG_GETOBJ, NLM_F_DUMP);
  netlink_string(&counters, NFTA_OBJ_TABLE, NFTABLES_TABLE);
  netlink_end(&counters);
  TRY(netlink_dump(socket, &counters, sizeof(struct nfgenmsg), read_counter, &reader, "read counters"));
  /* Most runs have none, and then there is nothing to list. */
  if (totals->refused_packets == 0 || !each) return OK;
  struct netlink elements = request(bytes, sizeof bytes);
  nft_begin(&elements, NFT_MSG_GETSETELEM, NLM_F_DUMP);
  netlink_string(&elements, NFTA_SET_ELEM_LIST_TABLE, NFTABLES_TABLE);
  netlink_string(&elements, NFTA_SET_ELEM_LIST_SET, NFTABLES_REFUSED);
  netlink_end(&elements);
  return netlink_dump(socket, &elements, sizeof(struct nfgenmsg), read_elements, &reader, "read refusals");
}
