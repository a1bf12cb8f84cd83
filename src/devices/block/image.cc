#include "devices/block/image.h"

#include "devices/block/qcow2.h"
#include "devices/block/raw.h"
#include "devices/block/vmdk.h"

namespace cloche::block {
namespace {

// What another image is made on top of is only read, and cannot be made on top of a third one.
Result<std::unique_ptr<Disk>> open_backing(const ImageOptions& options) {
  if (options.backing_path.empty()) return nullptr;
  HostFileOptions file = options.file;
  file.writing = Writing::kRefused;
  auto backing = open_image({.path = options.backing_path, .format = options.backing_format, .file = file});
  if (!backing) return std::unexpected(std::move(backing).error().in("backing file"));
  return backing;
}

}  // namespace

Result<std::unique_ptr<Disk>> open_image(const ImageOptions& options) {
  if (options.format == Format::kVmdk) return open_vmdk(options.path, options.file);
  if (options.format == Format::kRaw) return RawDisk::create(TRY(HostFile::open(options.path, options.file)));
  auto backing = TRY(open_backing(options));
  return Qcow2Disk::create(TRY(HostFile::open(options.path, options.file)), std::move(backing));
}

}  // namespace cloche::block
