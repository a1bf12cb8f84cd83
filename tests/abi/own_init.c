/* A guest that brings its own first program:  own_init ROOT KERNEL WORD...
 *
 * KERNEL "-" is the library's. The program is /init.krun of the root, which gets the words as its arguments. */
#include <libkrun.h>
#include <string.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* const environment[] = {"COLOUR=blue", "SPACED=a b", NULL};
  const char* const limits[] = {"7=100:200", NULL};
  uint32_t id;
  if (argc < 3) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 1, 256), 0);
  CHECK(krun_disable_implicit_init(id), 0);
  CHECK(krun_set_root(id, argv[1]), 0);
  CHECK(krun_set_rlimits(id, limits), 0);
  CHECK(krun_set_workdir(id, "/tmp"), 0);
  CHECK(krun_set_exec(id, "/bin/true", (const char* const*)&argv[3], environment), 0);
  CHECK(krun_disable_implicit_vsock(id), 0);
  if (strcmp(argv[2], "-") != 0) CHECK(krun_set_kernel(id, argv[2], KRUN_KERNEL_FORMAT_ELF, NULL, NULL), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
