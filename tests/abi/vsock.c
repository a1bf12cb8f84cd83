/* The guest's ports 1234 and 4321 as sockets:  vsock ROOT HOSTS_SOCKET GUESTS_SOCKET PROGRAM ARGUMENT... */
#include <libkrun.h>

#include "check.h"

int main(int argc, char** argv) {
  int32_t id;
  if (argc < 5) return 2;
  id = krun_create_ctx();
  CHECK(krun_set_root((uint32_t)id, argv[1]), 0);
  CHECK(krun_add_vsock_port((uint32_t)id, 1234, argv[2]), 0);
  CHECK(krun_add_vsock_port2((uint32_t)id, 4321, argv[3], true), 0);
  CHECK(krun_set_exec((uint32_t)id, argv[4], (const char* const*)&argv[5], NULL), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
