/* What a container runtime does: makes its context, changes its root directory, closes its descriptors, and starts:
 * changed_root ROOT PROGRAM ARGUMENT...  ROOT has the directories dev and proc. */
#include <libkrun.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", NULL};
  int32_t id;
  if (argc < 3) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = krun_create_ctx();
  CHECK(id >= 0, 1);
  CHECK(unshare(CLONE_NEWNS), 0);
  CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
  CHECK(chdir(argv[1]), 0);
  CHECK(mount("/dev", "dev", NULL, MS_BIND | MS_REC, NULL), 0);
  CHECK(mount("proc", "proc", "proc", 0, NULL), 0);
  CHECK(chroot("."), 0);
  CHECK(close_range(3, ~0U, 0), 0);
  CHECK(krun_set_vm_config((uint32_t)id, 1, 256), 0);
  CHECK(krun_set_root((uint32_t)id, "/"), 0);
  CHECK(krun_set_exec((uint32_t)id, argv[2], (const char* const*)&argv[3], environment), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
