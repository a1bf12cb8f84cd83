/* As many devices as a VM takes:  devices ROOT SCRIPT DISK FOLDER
 *
 * The root, ten more file systems, five networks, and as many disks as are missing to forty devices with those that
 * every VM has (console, vsock, random numbers). */
#include <libkrun.h>
#include <sys/socket.h>

#include "check.h"

enum { kFileSystems = 10, kNetworks = 5, kDisks = 21 };

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", NULL};
  const char* const arguments[] = {"-c", argc > 2 ? argv[2] : "", NULL};
  uint8_t mac[6] = {0x5a, 0x94, 0xef, 0, 0, 0};
  char tag[16];
  uint32_t id;
  int at;
  if (argc < 5) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 1, 256), 0);
  CHECK(krun_set_root(id, argv[1]), 0);
  for (at = 0; at < kFileSystems; ++at) {
    snprintf(tag, sizeof tag, "data%d", at);
    CHECK(krun_add_virtiofs(id, tag, argv[4]), 0);
  }
  for (at = 0; at < kDisks; ++at) CHECK(krun_add_disk(id, "disk", argv[3], true), 0);
  for (at = 0; at < kNetworks; ++at) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    mac[5] = (uint8_t)at;
    CHECK(krun_add_net_unixstream(id, NULL, ends[0], mac, 0, 0), 0);
  }
  CHECK(krun_set_exec(id, "/bin/sh", arguments, environment), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
