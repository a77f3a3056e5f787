/**
 * The network of a policy as a person writes it.
 */
import { z } from 'zod';
import { checkedString, ENVIRONMENT_NAME, faultOf, list, nameFault } from './checked-value.ts';
import { parseDestination } from './destination.ts';
import { parseHttpRule } from './http-rule.ts';

const destination = checkedString((text) => faultOf(() => parseDestination(text)));
const rule = z.union(
  [
    destination,
    z.strictObject({
      host: destination.describe('A destination as above.'),
      http: list(checkedString((text) => faultOf(() => parseHttpRule(text))))
        .min(1, 'name at least one request')
        .optional()
        .describe(
          'Requests that may be made there: `GET /repos/**`, `GET,HEAD /docs`, `/graphql` (any method). Absent: anything.',
        ),
    }),
  ],
  { error: 'write host:port, or {host: "host:port", http: ["GET /path/**"]}' },
);
const secretHosts = list(z.string()).min(1, 'name at least one host');
export const networkSchema = z
  .strictObject({
    mode: z
      .enum(['none', 'internal', 'filtered', 'full'])
      .describe(
        '`none`: no network; `internal`: other sandboxes on the same internal network; `filtered`: what `allow` names; `full`: anything. `allow` without a mode means `filtered`.',
      ),
    allow: list(rule).describe(
      'Where one may connect: `host[:ports][/udp]`, where host is a name, `*.name`, `*` (any name), an address or a block. Without ports it is 443. `192.0.2.0/24/icmp` (`icmpv6`, `sctp`, `gre`, `esp`, a number, `raw` for all but TCP and UDP): packets to a block. `{host: …, http: [GET /path/**]}` for some requests alone.',
    ),
    deny: list(destination).describe(
      'Where one may not, whatever `allow` says. A denied block holds for names that lead into it, too.',
    ),
    listen: list(z.int().min(1).max(65535)).describe(
      'TCP ports of the guest that may listen and be published.',
    ),
    intercept: z
      .boolean()
      .describe(
        'The egress proxy opens TLS, with an authority that this sandbox alone trusts: it sees requests, whose host must be the one of the connection.',
      ),
    group: checkedString(
      nameFault(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a name of a group: a-z, 0-9 and -'),
    ).describe('The network of mode `internal` that the sandbox is on.'),
    secrets: z
      .record(
        checkedString(nameFault(ENVIRONMENT_NAME, 'a name of an environment variable')),
        z.union([secretHosts, z.strictObject({ hosts: secretHosts })], {
          error: 'write a list of hosts, or {hosts: [api.example.org]}',
        }),
      )
      .describe(
        'Variables of the caller that never go inside: the guest sees a placeholder, the proxy puts the value into headers to these hosts (a name or `*.name`), over TLS alone. Needs `intercept`.',
      ),
  })
  .partial();
