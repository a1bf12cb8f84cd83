/* Runs a program in a directory, as `chroot` does, in a VM:  chroot ROOT PROGRAM ARGUMENT... */
#include <libkrun.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", "TEST=works", "EMPTY=", "QUOTED=\"a b\" c", NULL};
  const char* const limits[] = {"7=100:200", NULL};
  int32_t id;
  if (argc < 3) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = krun_create_ctx();
  CHECK(id >= 0, 1);
  CHECK(krun_set_vm_config((uint32_t)id, 1, 256), 0);
  CHECK(krun_set_root((uint32_t)id, argv[1]), 0);
  CHECK(krun_set_gpu_options((uint32_t)id, 0), 0);
  CHECK(krun_set_rlimits((uint32_t)id, limits), 0);
  CHECK(krun_set_workdir((uint32_t)id, "/tmp"), 0);
  CHECK(krun_set_exec((uint32_t)id, argv[2], (const char* const*)&argv[3], environment), 0);
  CHECK(krun_split_irqchip((uint32_t)id, false), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
