// The kernel and the computer that it finds.
#include <cerrno>
#include <fstream>

#include "krun/context.h"
#include "libkrun.h"

using namespace cloche::krun;

extern "C" {

int32_t krun_set_kernel(uint32_t ctx_id, const char* kernel_path, uint32_t kernel_format, const char* initramfs,
                        const char* cmdline) {
  return with_context(ctx_id, [&](Context& context) {
    if (kernel_path == nullptr || *kernel_path == '\0' || kernel_format > KRUN_KERNEL_FORMAT_IMAGE_ZSTD) return -EINVAL;
    // A flat image says nothing of where it begins, PE is what other processors boot, and the guest's own first program
    // is not run here.
    bool has_format = kernel_format != KRUN_KERNEL_FORMAT_RAW && kernel_format != KRUN_KERNEL_FORMAT_PE_GZ;
    if (!has_format || initramfs != nullptr) return -ENOTSUP;
    context.kernel_path = kernel_path;
    if (cmdline != nullptr) context.extra_command_line = cmdline;
    return 0;
  });
}

int32_t krun_set_firmware(uint32_t ctx_id, const char* firmware_path) {
  return with_context(ctx_id, [&](Context&) { return firmware_path == nullptr ? -EINVAL : -ENOTSUP; });
}

// A guest of cloche's has none of its own.
int32_t krun_set_nested_virt(uint32_t ctx_id, bool enabled) {
  return with_context(ctx_id, [&](Context&) { return enabled ? -ENOTSUP : 0; });
}

int32_t krun_check_nested_virt(void) {
  for (const char* path : {"/sys/module/kvm_intel/parameters/nested", "/sys/module/kvm_amd/parameters/nested"}) {
    char answer = 0;
    if (std::ifstream(path).get(answer) && (answer == 'Y' || answer == '1')) return 1;
  }
  return 0;
}

// The interrupt controllers are KVM's; where they are makes no difference to a guest.
int32_t krun_split_irqchip(uint32_t ctx_id, bool) {
  return with_context(ctx_id, [](Context&) { return 0; });
}

int32_t krun_set_tee_config_file(uint32_t ctx_id, const char* filepath) {
  return with_context(ctx_id, [&](Context&) { return filepath == nullptr ? -EINVAL : -ENOTSUP; });
}

}  // extern "C"
