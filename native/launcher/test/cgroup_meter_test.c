/* What the kernel writes of block devices, in both versions, cut off where the buffer ends. */
#include "../cgroup_meter.h"
#include "harness.h"

static void both_versions_are_summed_over_devices(void) {
  struct cgroup_io v1 = cgroup_meter_parse_io("253:0 Read 4096\n253:0 Write 8192\n253:0 Sync 1\n253:0 Async 2\n253:0 Discard 3\n"
                                              "253:0 Total 12288\n8:16 Read 1\n8:16 Write 2\nTotal 12291\n");
  CHECK(v1.read_bytes == 4097 && v1.written_bytes == 8194);
  struct cgroup_io v2 = cgroup_meter_parse_io("8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=50 dios=3\n"
                                              "8:0 rbytes=1 wbytes=18446744069414584320 rios=1 wios=0 dbytes=0 dios=0\n8:32 \n");
  CHECK(v2.read_bytes == 1459201 && v2.written_bytes == 18446744069414584320u + 314773504u);
}

static void what_is_cut_off_counts_for_nothing(void) {
  struct cgroup_io none = cgroup_meter_parse_io("");
  CHECK(none.read_bytes == 0 && none.written_bytes == 0);
  struct cgroup_io cut = cgroup_meter_parse_io("8:0 rbytes=7 wbytes=9\n8:16 rbytes=14592");
  CHECK(cut.read_bytes == 7 && cut.written_bytes == 9);
  struct cgroup_io odd = cgroup_meter_parse_io("\n\n Read\n wbytes=\n8:0 rbytes=x\n");
  CHECK(odd.read_bytes == 0 && odd.written_bytes == 0);
}

int main(void) {
  both_versions_are_summed_over_devices();
  what_is_cut_off_counts_for_nothing();
  return harness_end("cgroup_meter");
}
