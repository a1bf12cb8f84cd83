// The disks of a VM, and a root that lies on one.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "api/place.h"
#include "api/plan.h"

namespace cloche {
namespace {

constexpr size_t kMaxSerial = 20;          // What virtio-blk has room for.
constexpr size_t kMaxMountOptions = 4000;  // The kernel takes a page of them.
constexpr size_t kMaxFileSystem = 64;      // Their names are far shorter.
constexpr size_t kMaxDisks = 26;           // vda to vdz.

std::unexpected<Error> bad(const std::string& path, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("disk {}: {}", path, why));
}

// Of wire::VmDisk, by number.
enum : uint8_t { kRaw = 0, kQcow2 = 1, kVmdk = 2 };

uint8_t format_of(DiskFormat format, const std::string& path) {
  if (format != DiskFormat::kByName) return static_cast<uint8_t>(static_cast<int>(format) - 1);
  if (path.ends_with(".qcow2")) return kQcow2;
  return path.ends_with(".vmdk") ? kVmdk : kRaw;
}
static_assert(static_cast<int>(DiskFormat::kQcow2) == kQcow2 + 1 && static_cast<int>(DiskFormat::kVmdk) == kVmdk + 1);

Result<Place> find_image(const std::string& path) {
  if (path.empty()) return bad("", "the path is empty");
  Place place = TRY(find_place("disk", path));
  if (!S_ISREG(place.status.st_mode) && !S_ISBLK(place.status.st_mode))
    return bad(place.path, "neither a regular file nor a block device");
  TRY(check_readable("disk", place));
  return place;
}

bool printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char each) { return each >= ' ' && each <= '~'; });
}

// A file system that two of a guest's disks write to would not survive it.
Result<void> refuse_twice(const Place& place, bool writes, const Config& config) {
  auto is_it = [&](const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && status.st_dev == place.status.st_dev &&
           status.st_ino == place.status.st_ino;
  };
  size_t uses = 0;
  for (const Disk& other : config.disks) uses += (is_it(other.path) ? 1 : 0) + (is_it(other.backing_path) ? 1 : 0);
  if (uses < 2 || !writes) return {};
  return bad(place.path, "is the image of two disks, or what another one is made on top of, so it must be read-only");
}

Result<void> plan_disk(const Disk& disk, const Config& config, Plan& plan) {
  Place place = TRY(find_image(disk.path));
  bool read_only = disk.access == Access::kReadOnly;
  if (!read_only && ::access(place.path.c_str(), W_OK) != 0)
    return fail(ErrorCode::kPermission,
                fmt::format("disk {}: not writable for this user; make it read-only", place.path), errno);
  TRY(refuse_twice(place, !read_only, config));
  if (disk.serial.size() > kMaxSerial || !printable_ascii(disk.serial))
    return bad(place.path,
               fmt::format("the serial '{}' is not one of at most {} printable characters", disk.serial, kMaxSerial));
  wire::VmDisk made{.path = place.path,
                    .format = format_of(disk.format, place.path),
                    .read_only = read_only,
                    .sync = static_cast<uint8_t>(disk.sync),
                    .direct = disk.cache == DiskCache::kNone,
                    .serial = disk.serial,
                    .backing_path = {}};
  if (!disk.backing_path.empty()) {
    if (made.format != kQcow2) return bad(place.path, "only a qcow2 image can have a backing file");
    made.backing_path = TRY(find_image(disk.backing_path)).path;
    made.backing_format = format_of(DiskFormat::kByName, made.backing_path);
  }
  plan.vm.disks.push_back(std::move(made));
  return {};
}

Result<void> plan_root_disk(const Config& config, Plan& plan) {
  const Root& root = config.root;
  auto wrong = [](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("root disk: {}", why));
  };
  if (root.disk >= config.disks.size())
    return wrong(fmt::format("it is disk number {}, and there are {}", root.disk, config.disks.size()));
  bool word = std::ranges::all_of(root.file_system, [](char each) {
    return (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9') || each == '_' || each == '.';
  });
  if (!word || root.file_system.size() > kMaxFileSystem)
    return wrong(fmt::format("'{}' is no type of a file system", root.file_system));
  if (root.mount_options.size() > kMaxMountOptions) return wrong("its mount options are longer than Linux takes");
  bool& read_only = plan.vm.disks[root.disk].read_only;
  if (root.writes == Writes::kKept && read_only) return wrong("what is written cannot be kept on a read-only disk");
  wire::Start& start = plan.vm.start;
  start.root_device = {fmt::format("/dev/vd{}", static_cast<char>('a' + root.disk)), root.file_system,
                       root.mount_options};
  // Or the kernel would write to it all the same: ext4 replays its journal for a read-only mount, too.
  if (root.writes != Writes::kKept) read_only = true;
  return {};
}

}  // namespace

Result<void> plan_disks(const Config& config, Plan& plan) {
  if (config.disks.size() > kMaxDisks)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("disks: {} are too many; a VM takes {}", config.disks.size(), kMaxDisks));
  for (const Disk& disk : config.disks) TRY(plan_disk(disk, config, plan));
  if (config.root.source == RootSource::kDisk) TRY(plan_root_disk(config, plan));
  plan.vm.start.has_disks =
      std::ranges::any_of(plan.vm.disks, [](const wire::VmDisk& disk) { return !disk.read_only; });
  return {};
}

}  // namespace cloche
