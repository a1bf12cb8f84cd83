/* As a container runtime does: the root says in a file what runs.  configured ROOT [TAG DIRECTORY] */
#include <libkrun.h>
#include <string.h>

#include "check.h"

int main(int argc, char** argv) {
  static const char hello[] = "hello from the host\n";
  int32_t id;
  if (argc < 2) return 2;
  id = krun_create_ctx();
  CHECK(krun_add_virtiofs2((uint32_t)id, KRUN_FS_ROOT_TAG, argv[1], 64 << 20), 0);
  CHECK(krun_fs_add_overlay_dir((uint32_t)id, KRUN_FS_ROOT_TAG, "/overlay", 0755), 0);
  CHECK(krun_fs_add_overlay_file((uint32_t)id, KRUN_FS_ROOT_TAG, "overlay/hello", (const uint8_t*)hello, strlen(hello),
                                 0444, false),
        0);
  if (argc > 3) CHECK(krun_add_virtiofs3((uint32_t)id, argv[2], argv[3], 0, true), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
