/* What a filtered network counted, as fields of a RESULT (protocol/PROTOCOL.md). */
#include "nftables.h"
#include "state.h"

enum { TAG_REFUSED = 21, TAG_NETWORK = 22 };

static void write_refusal(void *context, const struct nftables_refusal *refusal) {
  struct out *out = context;
  size_t mark = out_begin(out, TAG_REFUSED);
  out_u32(out, 1, refusal->protocol);
  out_bytes(out, 2, refusal->address, sizeof refusal->address);
  out_u32(out, 3, refusal->port);
  out_u64(out, 4, refusal->packets);
  out_end(out, mark);
}

static void write_totals(struct out *out, uint16_t tag, const struct nftables_totals *totals) {
  size_t mark = out_begin(out, tag);
  out_u64(out, 1, totals->sent_bytes);
  out_u64(out, 2, totals->sent_packets);
  out_u64(out, 3, totals->received_bytes);
  out_u64(out, 4, totals->received_packets);
  out_u64(out, 5, totals->refused_packets);
  out_end(out, mark);
}

void traffic_fields(struct out *out, const struct sandbox *sandbox) {
  struct nftables_totals totals;
  if (sandbox->network[NETWORK_FILTER] < 0) return;
  size_t before = out->length;
  if (failed(nftables_read(sandbox->network[NETWORK_FILTER], &totals, write_refusal, out))) {
    out->length = before; /* no half of a list */
    return;
  }
  write_totals(out, TAG_NETWORK, &totals);
}

void traffic_totals(struct out *out, uint16_t tag, const struct sandbox *sandbox) {
  struct nftables_totals totals;
  if (sandbox->network[NETWORK_FILTER] >= 0 && !failed(nftables_read(sandbox->network[NETWORK_FILTER], &totals, NULL, NULL)))
    write_totals(out, tag, &totals);
}
