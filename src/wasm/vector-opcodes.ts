/**
 * The opcodes behind 0xfd: vectors.
 *
 * From the index of instructions of the core specification 3.0 (appendix).
 */
import { arithmetic, COMPARE, COMPARE_FLOAT, type Group, group, plain } from './opcode-rows.ts';

export const vectorOpcodes: readonly Group[] = [
  group(0xfd, 'SIMD', [
    plain(
      0,
      'memory argument',
      0,
      `v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s v128.load32x2_u
  v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat`,
    ),
    plain(11, 'memory argument', -2, 'v128.store'),
    plain(12, '16 bytes', 1, 'v128.const'),
    plain(13, '16 bytes', -1, 'i8x16.shuffle'),
    arithmetic(
      14,
      'i8x16',
      'swizzle splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat',
    ),
    arithmetic(21, 'i8x16', 'extract_lane_s extract_lane_u replace_lane', '1 byte'),
    arithmetic(24, 'i16x8', 'extract_lane_s extract_lane_u replace_lane', '1 byte'),
    arithmetic(27, 'i32x4', 'extract_lane replace_lane', '1 byte'),
    arithmetic(29, 'i64x2', 'extract_lane replace_lane', '1 byte'),
    arithmetic(31, 'f32x4', 'extract_lane replace_lane', '1 byte'),
    arithmetic(33, 'f64x2', 'extract_lane replace_lane', '1 byte'),
    arithmetic(35, 'i8x16', COMPARE),
    arithmetic(45, 'i16x8', COMPARE),
    arithmetic(55, 'i32x4', COMPARE),
    arithmetic(65, 'f32x4', COMPARE_FLOAT),
    arithmetic(71, 'f64x2', COMPARE_FLOAT),
    arithmetic(77, 'v128', 'not and andnot or xor bitselect any_true'),
    plain(
      84,
      'memory argument and lane',
      -1,
      'v128.load8_lane v128.load16_lane v128.load32_lane v128.load64_lane',
    ),
    plain(
      88,
      'memory argument and lane',
      -2,
      'v128.store8_lane v128.store16_lane v128.store32_lane v128.store64_lane',
    ),
    plain(92, 'memory argument', 0, 'v128.load32_zero v128.load64_zero'),
    arithmetic(94, '', 'f32x4.demote_f64x2_zero f64x2.promote_low_f32x4'),
    arithmetic(
      96,
      'i8x16',
      `abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u
  f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest shl shr_s shr_u
  add add_sat_s add_sat_u sub sub_sat_s sub_sat_u f64x2.ceil f64x2.floor min_s min_u max_s max_u f64x2.trunc avgr_u`,
    ),
    arithmetic(
      124,
      'i16x8',
      `extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u
  abs neg q15mulr_sat_s all_true bitmask narrow_i32x4_s narrow_i32x4_u
  extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u shl shr_s shr_u
  add add_sat_s add_sat_u sub sub_sat_s sub_sat_u f64x2.nearest mul min_s min_u max_s max_u - avgr_u
  extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u`,
    ),
    arithmetic(
      160,
      'i32x4',
      `abs neg - all_true bitmask - - extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u
  shl shr_s shr_u add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s -
  extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u`,
    ),
    arithmetic(
      192,
      'i64x2',
      `abs neg - all_true bitmask - - extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u
  shl shr_s shr_u add - - sub - - - mul eq ne lt_s gt_s le_s ge_s
  extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u`,
    ),
    arithmetic(224, 'f32x4', 'abs neg - sqrt add sub mul div min max pmin pmax'),
    arithmetic(236, 'f64x2', 'abs neg - sqrt add sub mul div min max pmin pmax'),
    arithmetic(
      248,
      'i32x4',
      `trunc_sat_f32x4_s trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u
  trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u`,
    ),
  ]),
  group(0xfd, 'relaxed SIMD', [
    arithmetic(
      256,
      '',
      `i8x16.relaxed_swizzle i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u
  i32x4.relaxed_trunc_f64x2_s_zero i32x4.relaxed_trunc_f64x2_u_zero
  f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd
  i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect
  f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max
  i16x8.relaxed_q15mulr_s i16x8.relaxed_dot_i8x16_i7x16_s i32x4.relaxed_dot_i8x16_i7x16_add_s`,
    ),
  ]),
];
