/* Every function with what no caller should give it: an errno comes back, and nothing breaks. No VM is needed. */
#include <libkrun.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

static const char* endless[5000];

static void unknown_contexts(void) {
  static const uint32_t ids[] = {0, 1, 77, 0x7fffffff, 0x80000000u, 0xffffffffu};
  const char* const none[] = {NULL};
  uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
  size_t i;
  for (i = 0; i < sizeof ids / sizeof ids[0]; ++i) {
    uint32_t id = ids[i];
    char name[] = "tap0";
    CHECK(krun_free_ctx(id), -ENOENT);
    CHECK(krun_set_vm_config(id, 1, 128), -ENOENT);
    CHECK(krun_set_root(id, "/"), -ENOENT);
    CHECK(krun_add_virtiofs(id, "a", "/"), -ENOENT);
    CHECK(krun_add_virtiofs4(id, "a", "/", 0, true, 0), -ENOENT);
    CHECK(krun_set_exec(id, "/bin/true", none, none), -ENOENT);
    CHECK(krun_set_env(id, none), -ENOENT);
    CHECK(krun_set_env(id, NULL), -ENOENT);
    CHECK(krun_set_workdir(id, "/"), -ENOENT);
    CHECK(krun_set_rlimits(id, none), -ENOENT);
    CHECK(krun_set_smbios_oem_strings(id, none), -ENOENT);
    CHECK(krun_add_vsock_port(id, 1234, "/tmp/x"), -ENOENT);
    CHECK(krun_add_vsock(id, 0), -ENOENT);
    CHECK(krun_disable_implicit_vsock(id), -ENOENT);
    CHECK(krun_add_net_unixstream(id, "/x", -1, mac, 0, 0), -ENOENT);
    CHECK(krun_add_net_unixgram(id, NULL, 5, mac, 0, 0), -ENOENT);
    CHECK(krun_add_net_tap(id, name, mac, 0, 0), -ENOENT);
    CHECK(krun_set_passt_fd(id, 5), -ENOENT);
    CHECK(krun_set_gvproxy_path(id, name), -ENOENT);
    CHECK(krun_set_net_mac(id, mac), -ENOENT);
    CHECK(krun_set_port_map(id, none), -ENOENT);
    CHECK(krun_set_console_output(id, "/tmp/x"), -ENOENT);
    CHECK(krun_disable_implicit_console(id), -ENOENT);
    CHECK(krun_disable_implicit_init(id), -ENOENT);
    CHECK(krun_set_kernel(id, "/x", KRUN_KERNEL_FORMAT_ELF, NULL, NULL), -ENOENT);
    CHECK(krun_setuid(id, 1), -ENOENT);
    CHECK(krun_setgid(id, 1), -ENOENT);
    CHECK(krun_set_gpu_options(id, 0), -ENOENT);
    CHECK(krun_set_snd_device(id, true), -ENOENT);
    CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_RNG, "/x", NULL, 0, NULL), -ENOENT);
    CHECK(krun_vm_pause(id), -ENOENT);
    CHECK(krun_vm_resume(id), -ENOENT);
    CHECK(krun_start_enter(id), -ENOENT);
  }
}

static void nothing_where_something_belongs(uint32_t id) {
  uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
  const char* const none[] = {NULL};
  const char* const empty[] = {"a", "", NULL};
  CHECK(krun_set_root(id, NULL), -EINVAL);
  CHECK(krun_add_virtiofs(id, NULL, "/"), -EINVAL);
  CHECK(krun_add_virtiofs(id, "", "/"), -EINVAL);
  CHECK(krun_set_exec(id, NULL, none, none), -EINVAL);
  CHECK(krun_set_workdir(id, NULL), -EINVAL);
  CHECK(krun_set_rlimits(id, NULL), -EINVAL);
  CHECK(krun_set_smbios_oem_strings(id, NULL), -EINVAL);
  CHECK(krun_set_smbios_oem_strings(id, empty), -EINVAL);
  CHECK(krun_add_vsock_port(id, 1234, NULL), -EINVAL);
  CHECK(krun_add_net_unixstream(id, NULL, -1, mac, 0, 0), -EINVAL);
  CHECK(krun_add_net_unixstream(id, "/x", 5, mac, 0, 0), -EINVAL);
  CHECK(krun_add_net_unixstream(id, "/x", -1, NULL, 0, 0), -EINVAL);
  CHECK(krun_add_net_tap(id, NULL, mac, 0, 0), -EINVAL);
  CHECK(krun_set_gvproxy_path(id, NULL), -EINVAL);
  CHECK(krun_set_net_mac(id, NULL), -EINVAL);
  CHECK(krun_set_console_output(id, NULL), -EINVAL);
  CHECK(krun_set_kernel(id, NULL, KRUN_KERNEL_FORMAT_ELF, NULL, NULL), -EINVAL);
  CHECK(krun_set_kernel_console(id, NULL), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_RNG, NULL, NULL, 0, NULL), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_RNG, "", "", 0, NULL), -EINVAL);
  CHECK(krun_get_default_init(NULL, NULL), -EINVAL);
  CHECK(krun_fs_add_overlay_dir(id, "a", NULL, 0755), -EINVAL);
  CHECK(krun_fs_add_overlay_file(id, "a", "x", NULL, 5, 0644, false), -EINVAL);
}

static void numbers_and_texts_out_of_range(uint32_t id) {
  static char long_tag[] = "a tag of thirty-seven bytes, one more";
  uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
  const char* const limits[][2] = {{"7", NULL},      {"7=1", NULL},  {"x=1:2", NULL},
                                   {"16=1:2", NULL}, {"7=1:", NULL}, {"7=-1:2", NULL}};
  const char* const maps[][3] = {{"80", NULL, NULL},       {"0:80", NULL, NULL},     {"80:65536", NULL, NULL},
                                 {"80:80", "80:81", NULL}, {"81:80", "82:80", NULL}, {":", NULL, NULL}};
  static uint16_t many[100];
  const uint16_t odd[] = {64, 3, 0};
  size_t i;
  for (i = 0; i < 100; ++i) many[i] = 64;
  CHECK(krun_add_vhost_user_device(id, 0, "/x", NULL, 0, NULL), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_SND, "/x", NULL, 65, many), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_SND, "/x", NULL, 2, odd), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_SND, "/x", NULL, 3, odd), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_SND, "/x", NULL, 0, odd), -EINVAL);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_SND, "/x", NULL, 64, many), 0);
  CHECK(krun_add_vhost_user_device(id, KRUN_VIRTIO_DEVICE_RNG, "/x", "dice", 1, odd), 0);
  for (i = 0; i < sizeof endless / sizeof endless[0]; ++i) endless[i] = "x";
  endless[sizeof endless / sizeof endless[0] - 1] = NULL;
  CHECK(strlen(long_tag), 37);
  CHECK(krun_add_virtiofs(id, long_tag, "/"), -EINVAL);
  CHECK(krun_set_vm_config(id, 0, 128), -EINVAL);
  CHECK(krun_set_vm_config(id, 1, 0), -EINVAL);
  CHECK(krun_set_exec(id, "/bin/true", endless, NULL), -EINVAL);
  CHECK(krun_set_env(id, endless), -EINVAL);
  for (i = 0; i < sizeof limits / sizeof limits[0]; ++i) CHECK(krun_set_rlimits(id, limits[i]), -EINVAL);
  for (i = 0; i < sizeof maps / sizeof maps[0]; ++i) CHECK(krun_set_port_map(id, maps[i]), -EINVAL);
  CHECK(krun_add_net_unixstream(id, "/x", -1, mac, 1u << 2, 0), -EINVAL);
  CHECK(krun_add_net_unixstream(id, "/x", -1, mac, 0, NET_FLAG_VFKIT), -EINVAL);
  CHECK(krun_add_net_tap(id, long_tag, mac, NET_FEATURE_GUEST_TSO4, 0), -EINVAL);
  CHECK(krun_set_passt_fd(id, -1), -EINVAL);
  CHECK(krun_set_kernel(id, "/x", 6, NULL, NULL), -EINVAL);
  CHECK(krun_init_log(0, 0, 0, 0), -EINVAL);
  CHECK(krun_init_log(-2, 0, 0, 0), -EINVAL);
  CHECK(krun_init_log(-1, 0, 3, 0), -EINVAL);
  CHECK(krun_init_log(-1, 0, 0, 2), -EINVAL);
  CHECK(krun_has_feature(12), -EINVAL);
  CHECK(krun_has_feature(UINT64_MAX), -EINVAL);
}

static void orders_of_calls(uint32_t id) {
  const char* const none[] = {NULL};
  CHECK(krun_add_vsock(id, 0), -EEXIST);
  CHECK(krun_add_vsock_port2(id, 1234, "/", true), -EEXIST);
  CHECK(krun_disable_implicit_vsock(id), 0);
  CHECK(krun_add_vsock_port(id, 1234, "/tmp/x"), -ENODEV);
  CHECK(krun_set_port_map(id, none), -ENODEV);
  CHECK(krun_add_vsock(id, 4), -EINVAL);
  CHECK(krun_add_vsock(id, KRUN_TSI_HIJACK_INET), 0);
  CHECK(krun_add_vsock(id, 0), -EEXIST);
  CHECK(krun_add_vsock_port(id, 1234, "/tmp/x"), 0);
  CHECK(krun_set_console_output(id, "/tmp/x"), 0);
  CHECK(krun_set_console_output(id, "/tmp/x"), -EINVAL);
  CHECK(krun_fs_add_overlay_dir(id, "nobody's", "x", 0755), -ENOENT);
  CHECK(krun_add_virtiofs(id, "mine", "/"), 0);
  CHECK(krun_fs_add_overlay_dir(id, "mine", "x/", 0755), -EINVAL);
  CHECK(krun_fs_add_overlay_dir(id, "mine", "/", 0755), -EINVAL);
  CHECK(krun_fs_add_overlay_dir(id, "mine", "x", 0755), 0);
}

int main(void) {
  int32_t first, second;
  unknown_contexts();
  first = krun_create_ctx();
  second = krun_create_ctx();
  CHECK(first >= 0 && second > first, 1);
  nothing_where_something_belongs((uint32_t)first);
  numbers_and_texts_out_of_range((uint32_t)first);
  orders_of_calls((uint32_t)first);
  CHECK(krun_free_ctx((uint32_t)first), 0);
  CHECK(krun_free_ctx((uint32_t)first), -ENOENT);
  /* Without a root. Its configuration is gone then, too. */
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_OFF), 0);
  CHECK(krun_start_enter((uint32_t)second), -EINVAL);
  CHECK(krun_start_enter((uint32_t)second), -ENOENT);
  CHECK(krun_create_ctx() > second, 1);
  return 0;
}
