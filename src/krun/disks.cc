// Disks, and a root on one.
#include <algorithm>
#include <cerrno>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

std::optional<DiskFormat> format_of(uint32_t number) {
  switch (number) {
    case KRUN_DISK_FORMAT_RAW:
      return DiskFormat::kRaw;
    case KRUN_DISK_FORMAT_QCOW2:
      return DiskFormat::kQcow2;
    case KRUN_DISK_FORMAT_VMDK:
      return DiskFormat::kVmdk;
    default:
      return std::nullopt;
  }
}

std::optional<DiskSync> sync_of(uint32_t number) {
  switch (number) {
    case KRUN_SYNC_NONE:
      return DiskSync::kNone;
    case KRUN_SYNC_RELAXED:
      return DiskSync::kRelaxed;
    case KRUN_SYNC_FULL:
      return DiskSync::kFull;
    default:
      return std::nullopt;
  }
}

int32_t set_old_disk(uint32_t id, const char* path, std::string Context::* disk) {
  return with_context(id, [&](Context& context) {
    if (path == nullptr || *path == '\0') return -EINVAL;
    context.*disk = path;
    return 0;
  });
}

// "/dev/vda" is 0.
std::optional<uint32_t> number_of(std::string_view device) {
  constexpr std::string_view kBegin = "/dev/vd";
  if (!device.starts_with(kBegin) || device.size() != kBegin.size() + 1) return std::nullopt;
  char letter = device.back();
  return letter >= 'a' && letter <= 'z' ? std::optional<uint32_t>(letter - 'a') : std::nullopt;
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_add_disk(uint32_t ctx_id, const char* block_id, const char* disk_path, bool read_only) {
  return krun_add_disk3(ctx_id, block_id, disk_path, KRUN_DISK_FORMAT_RAW, read_only, false, KRUN_SYNC_FULL);
}

int32_t krun_add_disk2(uint32_t ctx_id, const char* block_id, const char* disk_path, uint32_t disk_format,
                       bool read_only) {
  return krun_add_disk3(ctx_id, block_id, disk_path, disk_format, read_only, false, KRUN_SYNC_FULL);
}

// `block_id` names the disk for the caller only.
int32_t krun_add_disk3(uint32_t ctx_id, const char* block_id, const char* disk_path, uint32_t disk_format,
                       bool read_only, bool direct_io, uint32_t sync_mode) {
  return with_context(ctx_id, [&](Context& context) {
    auto format = format_of(disk_format);
    auto sync = sync_of(sync_mode);
    if (block_id == nullptr || disk_path == nullptr || *disk_path == '\0' || !format || !sync) return -EINVAL;
    context.disks.push_back({.path = disk_path,
                             .format = *format,
                             .access = read_only ? cloche::Access::kReadOnly : cloche::Access::kReadWrite,
                             .sync = *sync,
                             .cache = direct_io ? cloche::DiskCache::kNone : cloche::DiskCache::kHost});
    return 0;
  });
}

int32_t krun_set_root_disk(uint32_t ctx_id, const char* disk_path) {
  return set_old_disk(ctx_id, disk_path, &Context::old_root_disk);
}

int32_t krun_set_data_disk(uint32_t ctx_id, const char* disk_path) {
  return set_old_disk(ctx_id, disk_path, &Context::old_data_disk);
}

int32_t krun_set_root_disk_remount(uint32_t ctx_id, const char* device, const char* fstype, const char* options) {
  return with_context(ctx_id, [&](Context& context) {
    auto is_root = [](const FileSystem& other) { return other.tag == KRUN_FS_ROOT_TAG; };
    auto number = number_of(device == nullptr ? "" : device);
    if (!number || context.disks.empty() || std::ranges::any_of(context.file_systems, is_root)) return -EINVAL;
    std::string type = fstype == nullptr ? "" : fstype;
    context.root_disk = {*number, type == "auto" ? "" : type, options == nullptr ? "" : options};
    // What a first program of the caller's begins on: places to mount at, and what the caller adds.
    FileSystem root{.tag = KRUN_FS_ROOT_TAG};
    for (const char* name : {"dev", "proc", "sys", "newroot"})
      root.overlays.push_back({.path = name, .is_directory = true, .mode = 0755});
    context.file_systems.push_back(std::move(root));
    return 0;
  });
}

}  // extern "C"
