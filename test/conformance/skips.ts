/** What a wall does not do, and why: the one table of it. What is not here, every wall does. */

const HOST_VIEW =
  'level basic runs own code with the rights of its caller: it hides nothing and says so';

export const skips: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a file of the host is not read': { child: HOST_VIEW },
  'a file of the host is not written': { child: HOST_VIEW },
  'there is no network': { child: HOST_VIEW },
  'the environment of the caller is not there': { child: HOST_VIEW },
  'what cannot be enforced is refused, or accepted and shown': {
    child:
      'level basic keeps own code from running away as far as the host can, and notes the rest in explain',
  },
  'memory is an outcome': {
    wasm: 'a module is refused more memory and goes on: see "memory beyond the limit is not had"',
  },
};
