/* A root on a disk, and a second disk:  disk ROOT_IMAGE|ro:ROOT_IMAGE DATA_IMAGE PROGRAM ARGUMENT... */
#include <libkrun.h>
#include <string.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", NULL};
  int32_t id;
  const char* root;
  if (argc < 4) return 2;
  root = strncmp(argv[1], "ro:", 3) == 0 ? argv[1] + 3 : argv[1];
  CHECK(krun_has_feature(KRUN_FEATURE_BLK), 1);
  id = krun_create_ctx();
  CHECK(krun_set_root_disk_remount((uint32_t)id, "/dev/vda", "ext4", NULL), -EINVAL); /* No disk yet. */
  CHECK(krun_add_disk((uint32_t)id, "root", root, root != argv[1]), 0);
  CHECK(krun_add_disk3((uint32_t)id, "data", argv[2], KRUN_DISK_FORMAT_QCOW2, true, false, KRUN_SYNC_NONE), 0);
  CHECK(krun_add_disk3((uint32_t)id, "x", argv[2], 3, true, false, KRUN_SYNC_NONE), -EINVAL);
  CHECK(krun_add_disk3((uint32_t)id, "x", argv[2], KRUN_DISK_FORMAT_RAW, true, false, 3), -EINVAL);
  CHECK(krun_set_root_disk_remount((uint32_t)id, "/dev/sda", NULL, NULL), -EINVAL);
  CHECK(krun_set_root_disk_remount((uint32_t)id, "/dev/vda", "auto", "noatime"), 0);
  CHECK(krun_set_exec((uint32_t)id, argv[3], (const char* const*)&argv[4], environment), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
