/* A guest with its host's sockets:  tsi FEATURES|implicit HOST:GUEST ROOT PROGRAM ARGUMENT... */
#include <libkrun.h>
#include <string.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* ports[] = {NULL, NULL};
  int32_t id;
  if (argc < 5) return 2;
  ports[0] = argv[2];
  id = krun_create_ctx();
  CHECK(krun_set_root((uint32_t)id, argv[3]), 0);
  if (strcmp(argv[1], "implicit") != 0) {
    CHECK(krun_disable_implicit_vsock((uint32_t)id), 0);
    CHECK(krun_add_vsock((uint32_t)id, (uint32_t)atoi(argv[1])), 0);
  }
  CHECK(krun_set_port_map((uint32_t)id, ports), 0);
  CHECK(krun_set_exec((uint32_t)id, argv[4], (const char* const*)&argv[5], NULL), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
