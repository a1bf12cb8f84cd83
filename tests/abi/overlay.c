/* A root and a second file system without a directory of the host:  overlay BUSYBOX SCRIPT */
#include <libkrun.h>
#include <string.h>

#include "check.h"

/* The whole file, which stays where it is. */
static uint8_t* contents_of(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  uint8_t* bytes = (uint8_t*)malloc(16 << 20);
  if (!file || !bytes) exit(3);
  *size = fread(bytes, 1, 16 << 20, file);
  fclose(file);
  return bytes;
}

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", NULL};
  const char* const arguments[] = {"sh", "-c", argc > 2 ? argv[2] : "", NULL};
  uint8_t* busybox;
  size_t size;
  uint32_t id;
  if (argc < 3) return 2;
  busybox = contents_of(argv[1], &size);
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 1, 256), 0);
  CHECK(krun_disable_implicit_vsock(id), 0);
  CHECK(krun_add_virtiofs3(id, KRUN_FS_ROOT_TAG, NULL, 0, false), 0);
  CHECK(krun_fs_add_overlay_dir(id, KRUN_FS_ROOT_TAG, "/bin", 0755), 0);
  CHECK(krun_fs_add_overlay_file(id, KRUN_FS_ROOT_TAG, "/bin/busybox", busybox, size, 0755, false), 0);
  CHECK(krun_fs_add_overlay_dir(id, KRUN_FS_ROOT_TAG, "/data", 0755), 0);
  CHECK(krun_add_virtiofs3(id, "second", NULL, 1 << 21, true), 0);
  CHECK(krun_fs_add_overlay_file(id, "second", "/hello", (const uint8_t*)"from memory\n", 12, 0644, false), 0);
  CHECK(krun_set_exec(id, "/bin/busybox", arguments, environment), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
