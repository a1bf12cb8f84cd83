/* libkrun's C interface, as cloche implements it: programs written for libkrun.so.1 run on it unchanged.
 *
 * Every function returns 0 or a positive result, or a negative errno. Unless it says otherwise:
 *   -ENOENT  there is no configuration of this id
 *   -EINVAL  an argument is NULL, an array too long, a number out of its range
 *   -ENOTSUP cloche does not have this (docs/libkrun.md says why); krun_has_feature() says so beforehand
 * Functions only take note; files and devices are looked at by krun_start_enter(). Any thread may call any of them.
 * Texts and arrays are copied, but for the contents of overlay files. Arrays of texts end with NULL and have at most
 * 4096 entries before it. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* --- Log -------------------------------------------------------------------------------------------------------- */

#define KRUN_LOG_TARGET_DEFAULT (-1)
#define KRUN_LOG_LEVEL_OFF 0
#define KRUN_LOG_LEVEL_ERROR 1
#define KRUN_LOG_LEVEL_WARN 2
#define KRUN_LOG_LEVEL_INFO 3
#define KRUN_LOG_LEVEL_DEBUG 4
#define KRUN_LOG_LEVEL_TRACE 5
#define KRUN_LOG_STYLE_AUTO 0
#define KRUN_LOG_STYLE_ALWAYS 1
#define KRUN_LOG_STYLE_NEVER 2
#define KRUN_LOG_OPTION_NO_ENV 1

/* Logs to standard error up to KRUN_LOG_LEVEL_*; larger numbers count as TRACE. RUST_LOG, where set, overrides it. */
int32_t krun_set_log_level(uint32_t level);
/* Logs to `target_fd` (KRUN_LOG_TARGET_DEFAULT: standard error; above 2 it is owned from here on), in color as `style`
 * says. With KRUN_LOG_OPTION_NO_ENV the environment does not matter. May be called again. */
int32_t krun_init_log(int target_fd, uint32_t level, uint32_t style, uint32_t options);

/* --- Configurations --------------------------------------------------------------------------------------------- */

/* The id of a new one. Ids are not used again. */
int32_t krun_create_ctx(void);
int32_t krun_free_ctx(uint32_t ctx_id);
/* Without it a VM has 1 vCPU and 128 MiB. */
int32_t krun_set_vm_config(uint32_t ctx_id, uint8_t num_vcpus, uint32_t ram_mib);
/* How many vCPUs this host gives a VM. -EINVAL where it has no KVM. */
int32_t krun_get_max_vcpus(void);

#define KRUN_FEATURE_NET 0
#define KRUN_FEATURE_BLK 1
#define KRUN_FEATURE_GPU 2
#define KRUN_FEATURE_SND 3
#define KRUN_FEATURE_INPUT 4
#define KRUN_FEATURE_EFI 5
#define KRUN_FEATURE_TEE 6
#define KRUN_FEATURE_AMD_SEV 7
#define KRUN_FEATURE_INTEL_TDX 8
#define KRUN_FEATURE_AWS_NITRO 9
#define KRUN_FEATURE_VIRGL_RESOURCE_MAP2 10
#define KRUN_FEATURE_INIT_BLOB 11

/* 1 or 0; -EINVAL for a number that is none of these. */
int32_t krun_has_feature(uint64_t feature);

/* --- What runs -------------------------------------------------------------------------------------------------- */

/* `argv` does not begin with the program's name. `envp` NULL is the caller's environment. */
int32_t krun_set_exec(uint32_t ctx_id, const char* exec_path, const char* const argv[], const char* const envp[]);
int32_t krun_set_env(uint32_t ctx_id, const char* const envp[]);
int32_t krun_set_workdir(uint32_t ctx_id, const char* workdir_path);
/* "RESOURCE=SOFT:HARD" each; RESOURCE is the number that Linux has for it. */
int32_t krun_set_rlimits(uint32_t ctx_id, const char* const rlimits[]);
/* None of them empty. With cloche's kernel root reads them in /sys/firmware/dmi/tables/DMI; libkrunfw's does not look
   for them, and firmware makes its own. */
int32_t krun_set_smbios_oem_strings(uint32_t ctx_id, const char* const oem_strings[]);
/* The ids that the calling process takes on in krun_start_enter(). */
int32_t krun_setuid(uint32_t ctx_id, const uid_t uid);
int32_t krun_setgid(uint32_t ctx_id, const gid_t gid);

/* --- File systems ----------------------------------------------------------------------------------------------- */

#define KRUN_FS_ROOT_TAG "/dev/root"
#define KRUN_FS_SEMANTICS_LINUX_COMPLETE 0
#define KRUN_FS_SEMANTICS_LINUX_SIMPLIFIED 1

/* The directory is the guest's root, which can write to it. */
int32_t krun_set_root(uint32_t ctx_id, const char* root_path);
/* A virtio-fs device with `c_tag`, of at most 36 bytes; with KRUN_FS_ROOT_TAG the guest's root. `shm_size` is the size
 * in bytes of its DAX window, 0 for none. `c_path` NULL: an empty file system, for krun_fs_add_overlay_*(). */
int32_t krun_add_virtiofs(uint32_t ctx_id, const char* c_tag, const char* c_path);
int32_t krun_add_virtiofs2(uint32_t ctx_id, const char* c_tag, const char* c_path, uint64_t shm_size);
int32_t krun_add_virtiofs3(uint32_t ctx_id, const char* c_tag, const char* c_path, uint64_t shm_size, bool read_only);
int32_t krun_add_virtiofs4(uint32_t ctx_id, const char* c_tag, const char* c_path, uint64_t shm_size, bool read_only,
                           uint32_t semantics);
/* A file that the guest finds at `path`, read-only, on top of what the directory has. `data` is not copied before
 * krun_start_enter(). With `one_shot` it is gone when it was looked up once. -ENOENT: no such device, or no parent. */
int32_t krun_fs_add_overlay_file(uint32_t ctx_id, const char* fs_tag, const char* path, const uint8_t* data, size_t len,
                                 uint32_t mode, bool one_shot);
int32_t krun_fs_add_overlay_dir(uint32_t ctx_id, const char* fs_tag, const char* path, uint32_t mode);
/* The guest's first program is the caller's. */
int32_t krun_disable_implicit_init(uint32_t ctx_id);
/* A first program for such a guest, valid for ever: it does what the kernel's command line says, as docs/libkrun.md has
 * it. The caller puts it there, say as "/init.krun" of KRUN_FS_ROOT_TAG. */
int32_t krun_get_default_init(const uint8_t** data, size_t* len);
int32_t krun_set_mapped_volumes(uint32_t ctx_id, const char* const mapped_volumes[]);

/* --- Disks ------------------------------------------------------------------------------------------------------ */

#define KRUN_DISK_FORMAT_RAW 0
#define KRUN_DISK_FORMAT_QCOW2 1
#define KRUN_DISK_FORMAT_VMDK 2
#define KRUN_SYNC_NONE 0
#define KRUN_SYNC_RELAXED 1
#define KRUN_SYNC_FULL 2

/* /dev/vda, /dev/vdb ... in the order of calls. */
int32_t krun_add_disk(uint32_t ctx_id, const char* block_id, const char* disk_path, bool read_only);
int32_t krun_add_disk2(uint32_t ctx_id, const char* block_id, const char* disk_path, uint32_t disk_format,
                       bool read_only);
int32_t krun_add_disk3(uint32_t ctx_id, const char* block_id, const char* disk_path, uint32_t disk_format,
                       bool read_only, bool direct_io, uint32_t sync_mode);
/* Deprecated: raw images as the first and second disk, unless there are krun_add_disk*()s. */
int32_t krun_set_root_disk(uint32_t ctx_id, const char* disk_path);
int32_t krun_set_data_disk(uint32_t ctx_id, const char* disk_path);
/* The guest's root is the file system on `device`. `fstype` NULL or "auto": what the kernel finds. There is a
 * KRUN_FS_ROOT_TAG from then on, for a first program of the caller's; before, there must be none. */
int32_t krun_set_root_disk_remount(uint32_t ctx_id, const char* device, const char* fstype, const char* options);

/* --- Consoles --------------------------------------------------------------------------------------------------- */

/* The implicit console writes to this file. Once. */
int32_t krun_set_console_output(uint32_t ctx_id, const char* c_filepath);
int32_t krun_disable_implicit_console(uint32_t ctx_id);
/* -1 is no descriptor. */
int32_t krun_add_virtio_console_default(uint32_t ctx_id, int input_fd, int output_fd, int err_fd);
int32_t krun_add_serial_console_default(uint32_t ctx_id, int input_fd, int output_fd);
/* The id of a console without ports. */
int32_t krun_add_virtio_console_multiport(uint32_t ctx_id);
/* -ENOTTY: `tty_fd` is no terminal. */
int32_t krun_add_console_port_tty(uint32_t ctx_id, uint32_t console_id, const char* name, int tty_fd);
int32_t krun_add_console_port_inout(uint32_t ctx_id, uint32_t console_id, const char* name, int input_fd,
                                    int output_fd);
/* What follows console= on the kernel's command line. */
int32_t krun_set_kernel_console(uint32_t ctx_id, const char* console_id);

/* --- vsock ------------------------------------------------------------------------------------------------------ */

#define KRUN_TSI_HIJACK_INET (1 << 0)
#define KRUN_TSI_HIJACK_UNIX (1 << 1)

/* The guest connects to `port` and gets to the UNIX socket `c_filepath`, on which somebody listens. */
int32_t krun_add_vsock_port(uint32_t ctx_id, uint32_t port, const char* c_filepath);
/* With `listen` the other way round: the VM listens on the socket, the guest on the port. -EEXIST: there is a file. */
int32_t krun_add_vsock_port2(uint32_t ctx_id, uint32_t port, const char* c_filepath, bool listen);
int32_t krun_disable_implicit_vsock(uint32_t ctx_id);
/* -EEXIST: there is one, perhaps the implicit one. */
int32_t krun_add_vsock(uint32_t ctx_id, uint32_t tsi_features);
int32_t krun_get_shutdown_eventfd(uint32_t ctx_id);

/* --- Networks --------------------------------------------------------------------------------------------------- */

#define NET_FEATURE_CSUM (1 << 0)
#define NET_FEATURE_GUEST_CSUM (1 << 1)
#define NET_FEATURE_GUEST_TSO4 (1 << 7)
#define NET_FEATURE_GUEST_TSO6 (1 << 8)
#define NET_FEATURE_GUEST_UFO (1 << 10)
#define NET_FEATURE_HOST_TSO4 (1 << 11)
#define NET_FEATURE_HOST_TSO6 (1 << 12)
#define NET_FEATURE_HOST_UFO (1 << 14)
#define COMPAT_NET_FEATURES                                                                     \
  (NET_FEATURE_CSUM | NET_FEATURE_GUEST_CSUM | NET_FEATURE_GUEST_TSO4 | NET_FEATURE_GUEST_UFO | \
   NET_FEATURE_HOST_TSO4 | NET_FEATURE_HOST_UFO)
#define NET_FLAG_VFKIT (1 << 0)
#define NET_FLAG_DHCP_CLIENT (1 << 1)

/* Exactly one of `c_path` and `fd` (-1: none). `c_mac` has 6 bytes. */
int32_t krun_add_net_unixstream(uint32_t ctx_id, const char* c_path, int fd, uint8_t* const c_mac, uint32_t features,
                                uint32_t flags);
int32_t krun_add_net_unixgram(uint32_t ctx_id, const char* c_path, int fd, uint8_t* const c_mac, uint32_t features,
                              uint32_t flags);
int32_t krun_add_net_tap(uint32_t ctx_id, char* c_tap_name, uint8_t* const c_mac, uint32_t features, uint32_t flags);
/* Deprecated forms of the first two, with COMPAT_NET_FEATURES. */
int32_t krun_set_passt_fd(uint32_t ctx_id, int fd);
int32_t krun_set_gvproxy_path(uint32_t ctx_id, char* c_path);
int32_t krun_set_net_mac(uint32_t ctx_id, uint8_t* const c_mac);
/* "HOST:GUEST" each. NULL: every port on which the guest listens. */
int32_t krun_set_port_map(uint32_t ctx_id, const char* const port_map[]);

/* --- Kernel and computer ---------------------------------------------------------------------------------------- */

#define KRUN_KERNEL_FORMAT_RAW 0
#define KRUN_KERNEL_FORMAT_ELF 1
#define KRUN_KERNEL_FORMAT_PE_GZ 2
#define KRUN_KERNEL_FORMAT_IMAGE_BZ2 3
#define KRUN_KERNEL_FORMAT_IMAGE_GZ 4
#define KRUN_KERNEL_FORMAT_IMAGE_ZSTD 5

/* `initramfs` and `cmdline` may be NULL. */
int32_t krun_set_kernel(uint32_t ctx_id, const char* kernel_path, uint32_t kernel_format, const char* initramfs,
                        const char* cmdline);
int32_t krun_set_firmware(uint32_t ctx_id, const char* firmware_path);
int32_t krun_set_nested_virt(uint32_t ctx_id, bool enabled);
/* 1: this host lets a guest have guests. */
int32_t krun_check_nested_virt(void);
int32_t krun_split_irqchip(uint32_t ctx_id, bool enable);
int32_t krun_set_tee_config_file(uint32_t ctx_id, const char* filepath);

/* --- Other devices ---------------------------------------------------------------------------------------------- */

#define KRUN_MAX_DISPLAYS 16
#define VIRGLRENDERER_USE_EGL (1 << 0)
#define VIRGLRENDERER_THREAD_SYNC (1 << 1)
#define VIRGLRENDERER_USE_GLX (1 << 2)
#define VIRGLRENDERER_USE_SURFACELESS (1 << 3)
#define VIRGLRENDERER_USE_GLES (1 << 4)
#define VIRGLRENDERER_USE_EXTERNAL_BLOB (1 << 5)
#define VIRGLRENDERER_VENUS (1 << 6)
#define VIRGLRENDERER_NO_VIRGL (1 << 7)
#define VIRGLRENDERER_USE_ASYNC_FENCE_CB (1 << 8)
#define VIRGLRENDERER_RENDER_SERVER (1 << 9)
#define VIRGLRENDERER_DRM (1 << 10)

#define KRUN_VIRTIO_DEVICE_CONSOLE 3
#define KRUN_VIRTIO_DEVICE_RNG 4
#define KRUN_VIRTIO_DEVICE_RTC 17
#define KRUN_VIRTIO_DEVICE_INPUT 18
#define KRUN_VIRTIO_DEVICE_VSOCK 19
#define KRUN_VIRTIO_DEVICE_SND 25
#define KRUN_VIRTIO_DEVICE_CAN 36

/* How many queues such devices have, and of which sizes, for krun_add_vhost_user_device(). */
#define KRUN_VHOST_USER_CONSOLE_NUM_QUEUES 4
#define KRUN_VHOST_USER_CONSOLE_QUEUE_SIZES ((uint16_t[]){128, 128, 64, 64})
#define KRUN_VHOST_USER_RNG_NUM_QUEUES 1
#define KRUN_VHOST_USER_RNG_QUEUE_SIZES ((uint16_t[]){256})
#define KRUN_VHOST_USER_RTC_NUM_QUEUES 2
#define KRUN_VHOST_USER_RTC_QUEUE_SIZES ((uint16_t[]){1024, 1024})
#define KRUN_VHOST_USER_INPUT_NUM_QUEUES 2
#define KRUN_VHOST_USER_INPUT_QUEUE_SIZES ((uint16_t[]){1024, 1024})
#define KRUN_VHOST_USER_SND_NUM_QUEUES 4
#define KRUN_VHOST_USER_SND_QUEUE_SIZES ((uint16_t[]){64, 64, 64, 64})
#define KRUN_VHOST_USER_VSOCK_NUM_QUEUES 3
#define KRUN_VHOST_USER_VSOCK_QUEUE_SIZES ((uint16_t[]){128, 128, 128})
#define KRUN_VHOST_USER_CAN_NUM_QUEUES 3
#define KRUN_VHOST_USER_CAN_QUEUE_SIZES ((uint16_t[]){64, 64, 64})

/* Taken note of: callers set them whether they have a GPU or not. */
int32_t krun_set_gpu_options(uint32_t ctx_id, uint32_t virgl_flags);
int32_t krun_set_gpu_options2(uint32_t ctx_id, uint32_t virgl_flags, uint64_t shm_size);
int32_t krun_set_snd_device(uint32_t ctx_id, bool enable);
int32_t krun_add_display(uint32_t ctx_id, uint32_t width, uint32_t height);
int32_t krun_display_set_edid(uint32_t ctx_id, uint32_t display_id, const uint8_t* edid_blob, size_t blob_size);
int32_t krun_display_set_dpi(uint32_t ctx_id, uint32_t display_id, uint32_t dpi);
int32_t krun_display_set_physical_size(uint32_t ctx_id, uint32_t display_id, uint16_t width_mm, uint16_t height_mm);
int32_t krun_display_set_refresh_rate(uint32_t ctx_id, uint32_t display_id, uint32_t refresh_rate);
int32_t krun_set_display_backend(uint32_t ctx_id, const void* display_backend, size_t backend_size);
int32_t krun_add_input_device(uint32_t ctx_id, const void* config_backend, size_t config_backend_size,
                              const void* events_backend, size_t events_backend_size);
int32_t krun_add_input_device_fd(uint32_t ctx_id, int input_fd);
/* A device that another process serves: the back end that listens on `socket_path` when the VM starts. `device_type` is
 * virtio's number; KRUN_VIRTIO_DEVICE_RNG takes the place of the VM's own. `name`, which may be NULL, is for messages.
 * `num_queues` 0: as many as the back end has; then `queue_sizes` ends with 0, and its last size counts for the queues
 * behind, too. Else it has `num_queues` sizes. NULL: each has 256. */
int32_t krun_add_vhost_user_device(uint32_t ctx_id, uint32_t device_type, const char* socket_path, const char* name,
                                   uint16_t num_queues, const uint16_t* queue_sizes);

/* --- Running ---------------------------------------------------------------------------------------------------- */

/* Runs the VM and ends the calling process with the exit code of what ran in it: 128 and its number for a signal, 127
 * where the program was not found, 126 where it cannot be executed, 125 for everything else. Returns only where the
 * configuration is wrong; it is gone then, too. */
int32_t krun_start_enter(uint32_t ctx_id);
/* From another thread, while the VM runs: its vCPUs and the guest's clocks stand still, and go on. */
int32_t krun_vm_pause(uint32_t ctx_id);
int32_t krun_vm_resume(uint32_t ctx_id);

#ifdef __cplusplus
}
#endif
