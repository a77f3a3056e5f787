/**
 * `caisson/client`: sandboxes, evaluations and modules of a service, in the library's own shape.
 */
export { CaissonError, type ErrorCode, isCaissonError, type Result } from '../core/error.ts';
export { RemoteCaisson } from './remote-caisson.ts';
export type { RemoteModules } from './remote-modules.ts';
export type { RemoteSandbox } from './remote-sandbox.ts';
export type { ConnectOptions } from './transport.ts';
