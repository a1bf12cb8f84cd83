// The kernel and the computer that it finds.
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

std::optional<KernelFormat> format_of(uint32_t number) {
  switch (number) {
    case KRUN_KERNEL_FORMAT_RAW:
      return KernelFormat::kRaw;
    case KRUN_KERNEL_FORMAT_ELF:
      return KernelFormat::kByContents;
    case KRUN_KERNEL_FORMAT_IMAGE_BZ2:
      return KernelFormat::kBzip2;
    case KRUN_KERNEL_FORMAT_IMAGE_GZ:
      return KernelFormat::kGzip;
    case KRUN_KERNEL_FORMAT_IMAGE_ZSTD:
      return KernelFormat::kZstd;
    default:
      return std::nullopt;
  }
}

bool is_path(const char* path) { return path != nullptr && *path != '\0'; }

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_set_kernel(uint32_t ctx_id, const char* kernel_path, uint32_t kernel_format, const char* initramfs,
                        const char* cmdline) {
  return with_context(ctx_id, [&](Context& context) {
    if (!is_path(kernel_path)) return -EINVAL;
    if (kernel_format == KRUN_KERNEL_FORMAT_PE_GZ) return -ENOTSUP;  // It is what other processors boot.
    auto format = format_of(kernel_format);
    std::error_code error;
    if (!format || (initramfs != nullptr && !std::filesystem::is_regular_file(initramfs, error))) return -EINVAL;
    context.kernel_path = kernel_path;
    context.kernel_format = *format;
    context.initramfs_path = initramfs == nullptr ? "" : initramfs;
    context.command_line.reset();
    if (cmdline != nullptr) context.command_line = cmdline;
    return 0;
  });
}

int32_t krun_set_firmware(uint32_t ctx_id, const char* firmware_path) {
  return with_context(ctx_id, [&](Context& context) {
    if (!is_path(firmware_path)) return -EINVAL;
    context.firmware_path = firmware_path;
    return 0;
  });
}

int32_t krun_set_nested_virt(uint32_t ctx_id, bool enabled) {
  return with_context(ctx_id, [&](Context& context) {
    context.nested_vms = enabled ? cloche::NestedVms::kShown : cloche::NestedVms::kHidden;
    return 0;
  });
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
