/**
 * FREEZE and USAGE (protocol/PROTOCOL.md, "Frames"): about the sandbox whose id the frame has; or, as a request with an id
 * of its own, about a sandbox or the run that has one alone.
 */
import { FieldWriter } from './fields.ts';
import { FRAME_HEADER, finishFrame, frameType, rawFrame } from './frame.ts';

export function encodeFreeze(id: number, frozen: boolean, of?: number): Buffer {
  const writer = new FieldWriter(FRAME_HEADER);
  writer.u32(1, frozen ? 1 : 0, 'freeze');
  if (of !== undefined) writer.u32(2, of, 'of');
  return finishFrame(writer, frameType.FREEZE, id);
}

export function encodeUsage(id: number, of?: number): Buffer {
  if (of === undefined) return rawFrame(frameType.USAGE, id);
  const writer = new FieldWriter(FRAME_HEADER);
  writer.u32(1, of, 'of');
  return finishFrame(writer, frameType.USAGE, id);
}
