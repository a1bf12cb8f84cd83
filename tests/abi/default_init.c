/* The library's first program, put where a guest finds it by a caller who has it from there:
 *
 * default_init WORD... [-- PROGRAM ARGUMENT...]
 *
 * root=DIRECTORY   the root, with the program on top; where it is missing, one with nothing but places to mount at
 * bare             without those, too
 * disk=IMAGE       a disk, ext4, where the root is
 * initramfs=FILE   one that holds the program, and kernel=FILE the kernel for it, with line=TEXT
 * env=NAME=VALUE  limit=WORD  workdir=PATH  net=SOCKET
 * vsock            with the implicit one, so that there is TSI where the kernel has it
 * write=FILE       only writes the program to this file */
#include <libkrun.h>
#include <string.h>

#include "check.h"

#define MOST 64

struct asked {
  const char *root, *disk, *initramfs, *kernel, *line, *workdir, *net, *file;
  const char* environment[MOST];
  const char* limits[MOST];
  int vsock, bare;
};

/* The value of "NAME=VALUE", where the word is one. */
static const char* value(const char* word, const char* name) {
  size_t size = strlen(name);
  return strncmp(word, name, size) == 0 && word[size] == '=' ? word + size + 1 : NULL;
}

static void add(const char** list, const char* word) {
  size_t at = 0;
  while (list[at] != NULL) ++at;
  if (at + 1 < MOST) list[at] = word;
}

static void read_word(struct asked* asked, const char* word) {
  const struct {
    const char* name;
    const char** place;
  } texts[] = {{"root", &asked->root},     {"disk", &asked->disk}, {"initramfs", &asked->initramfs},
               {"kernel", &asked->kernel}, {"line", &asked->line}, {"workdir", &asked->workdir},
               {"net", &asked->net},       {"write", &asked->file}};
  size_t at;
  for (at = 0; at < sizeof texts / sizeof *texts; ++at)
    if (value(word, texts[at].name)) *texts[at].place = value(word, texts[at].name);
  if (value(word, "env")) add(asked->environment, value(word, "env"));
  if (value(word, "limit")) add(asked->limits, value(word, "limit"));
  if (strcmp(word, "vsock") == 0) asked->vsock = 1;
  if (strcmp(word, "bare") == 0) asked->bare = 1;
}

static int write_program(const char* path, const uint8_t* program, size_t size) {
  FILE* file = fopen(path, "wb");
  return file && fwrite(program, 1, size, file) == size && fclose(file) == 0 ? 0 : 1;
}

static void add_root(uint32_t id, const struct asked* asked, const uint8_t* program, size_t size) {
  if (asked->disk) {
    CHECK(krun_add_disk(id, "root", asked->disk, false), 0);
    CHECK(krun_set_root_disk_remount(id, "/dev/vda", "ext4", NULL), 0);
    CHECK(krun_set_root_disk_remount(id, "/dev/vda", NULL, NULL), -EINVAL); /* It has a root. */
  } else if (asked->root) {
    CHECK(krun_set_root(id, asked->root), 0);
  } else {
    const char* const places[] = {"dev", "proc", "sys"};
    size_t at;
    CHECK(krun_add_virtiofs3(id, KRUN_FS_ROOT_TAG, NULL, 0, false), 0);
    for (at = 0; at < 3 && !asked->bare; ++at)
      CHECK(krun_fs_add_overlay_dir(id, KRUN_FS_ROOT_TAG, places[at], 0755), 0);
  }
  CHECK(krun_fs_add_overlay_file(id, KRUN_FS_ROOT_TAG, "/init.krun", program, size, 0755, true), 0);
}

int main(int argc, char** argv) {
  uint8_t mac[6] = {0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee};
  struct asked asked;
  const uint8_t *program = NULL, *again = NULL;
  size_t size = 0, size_again = 0;
  uint32_t id;
  int at;
  memset(&asked, 0, sizeof asked);
  for (at = 1; at < argc && strcmp(argv[at], "--") != 0; ++at) read_word(&asked, argv[at]);
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  CHECK(krun_has_feature(KRUN_FEATURE_INIT_BLOB), 1);
  CHECK(krun_get_default_init(&program, &size), 0);
  CHECK(krun_get_default_init(&again, &size_again), 0);
  CHECK(program == again && size == size_again, 1);
  CHECK(krun_get_default_init(NULL, &size_again), -EINVAL);
  CHECK(krun_get_default_init(&again, NULL), -EINVAL);
  if (asked.file) return write_program(asked.file, program, size);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 1, 256), 0);
  CHECK(krun_disable_implicit_init(id), 0);
  if (asked.initramfs) CHECK(krun_set_kernel(id, asked.kernel, KRUN_KERNEL_FORMAT_ELF, asked.initramfs, asked.line), 0);
  if (!asked.initramfs || asked.root || asked.disk) add_root(id, &asked, program, size);
  if (asked.limits[0]) CHECK(krun_set_rlimits(id, asked.limits), 0);
  if (asked.workdir) CHECK(krun_set_workdir(id, asked.workdir), 0);
  if (at + 1 < argc)
    CHECK(krun_set_exec(id, argv[at + 1], (const char* const*)&argv[at + 2], asked.environment), 0);
  else
    CHECK(krun_set_env(id, asked.environment), 0);
  if (asked.net)
    CHECK(krun_add_net_unixstream(id, asked.net, -1, mac, COMPAT_NET_FEATURES, NET_FLAG_DHCP_CLIENT), 0);
  else if (!asked.vsock)
    CHECK(krun_disable_implicit_vsock(id), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
