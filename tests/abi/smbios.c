/* Gives a guest strings in its SMBIOS and runs a script in it:  smbios ROOT SCRIPT */
#include <libkrun.h>

#include "check.h"

int main(int argc, char** argv) {
  const char* const strings[] = {"io.systemd.credential:name=value", "caf\xc3\xa9", NULL};
  const char* const environment[] = {"PATH=/bin", NULL};
  int32_t id;
  if (argc != 3) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = krun_create_ctx();
  CHECK(id >= 0, 1);
  CHECK(krun_set_vm_config((uint32_t)id, 1, 256), 0);
  CHECK(krun_set_root((uint32_t)id, argv[1]), 0);
  CHECK(krun_set_smbios_oem_strings((uint32_t)id, strings), 0);
  {
    const char* const words[] = {"-c", argv[2], NULL};
    CHECK(krun_set_exec((uint32_t)id, "/bin/sh", words, environment), 0);
  }
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter((uint32_t)id));
  return 1;
}
