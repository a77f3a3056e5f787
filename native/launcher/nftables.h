/* The packet filter of a sandbox with a filtered network (nf_tables over nfnetlink), and what it counted.

   TCP to anywhere but loopback goes to the transparent listener; names are asked at loopback:53; whatever else would leave
   is refused at once, and noted: protocol, destination, port, packets; but for datagrams to what was opened for them. Nothing here keeps the guest in, the routes do
   (route.h): every destination is the namespace's own loopback. */
#ifndef CAISSON_NFTABLES_H
#define CAISSON_NFTABLES_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* So many different refusals are noted; further ones are refused and counted together. */
#define NFTABLES_NOTED_MAX 1024u

/* Packets of sockets that carry this mark (SO_MARK) are the proxy's. The guest lacks the capability to set one. */
#define NFTABLES_PROXY_MARK 0x43414953u
/* Those of its sockets for datagrams. They are bound at the port with every bit turned, and the filter turns it back on the
   way: so the port itself is free inside, for programs that send from the port that they send to (NTP). */
#define NFTABLES_DATAGRAM_MARK 0x43414954u
#define NFTABLES_TURNED(port) ((uint16_t)~(port))

/* A socket to the filter of the calling process's network namespace. It keeps that namespace alive. */
struct err nftables_open(int *out);

/* The chain that rules on what leaves by NETWORK_WAY_OUT, empty until packets_guard fills it: nothing does. */
#define NFTABLES_TABLE "caisson"
#define NFTABLES_PACKETS "packets"
#define NFTABLES_REFUSE "refuse"
#define NFTABLES_SENT "sent"
/* The set of what was refused, and the counter; its key: protocol 4 bytes, address 16, port 4. */
#define NFTABLES_REFUSED "refused"
#define NFTABLES_KEY_LENGTH 24u

/* Makes the table. `port`: of the listener; 0: there is none, and only `packets` are filtered. `packets`: there will be an
   interface NETWORK_WAY_OUT. */
struct err nftables_filter(int socket, uint16_t port, bool packets);

/* Lets datagrams of the guest to that address and port through, to whoever is bound there. IPv4 as ::ffff:a.b.c.d. */
struct err nftables_open_datagrams(int socket, const uint8_t address[16], uint16_t port);

struct nftables_refusal {
  uint32_t protocol;   /* IPPROTO_* */
  uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
  uint32_t port;       /* 0 where the protocol has none */
  uint64_t packets;
};

struct nftables_totals {
  uint64_t sent_bytes, sent_packets; /* by the guest to the proxy, with headers */
  uint64_t received_bytes, received_packets;
  uint64_t refused_packets;
};

/* What was counted so far; `each` NULL: the totals alone. Not for a namespace without the table: ENOENT. */
struct err nftables_read(int socket, struct nftables_totals *totals,
                         void (*each)(void *context, const struct nftables_refusal *refusal), void *context);

#endif
