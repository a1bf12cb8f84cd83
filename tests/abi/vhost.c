/* A disk that another process serves:  vhost ROOT SOCKET SCRIPT [QUEUES] */
#include <libkrun.h>
#include <stdlib.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", NULL};
  const char* const arguments[] = {"-c", argc > 3 ? argv[3] : "", NULL};
  const uint16_t each[] = {64, 64, 64}, ended[] = {128, 0};
  uint16_t queues = argc > 4 ? (uint16_t)atoi(argv[4]) : 0;
  uint32_t id;
  if (argc < 4) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 2, 256), 0);
  CHECK(krun_set_root(id, argv[1]), 0);
  CHECK(krun_add_vhost_user_device(id, 2, argv[2], NULL, queues, queues == 0 ? ended : each), 0);
  CHECK(krun_set_exec(id, "/bin/sh", arguments, environment), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
