#include "boot/firmware.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/fd.h"

namespace cloche::boot {
namespace {

constexpr uint64_t kEnd = 1ull << 32;
constexpr uint64_t kMostBytes = 16 << 20;  // Below lie what KVM needs for itself, and the local APICs.
constexpr uint64_t kLeastBytes = 16;       // From the reset vector on.
constexpr uint64_t kLowEnd = 0x100000;     // Of the copy that real mode reaches,
constexpr uint64_t kLowBytes = 128 << 10;  // and its size on a PC.
constexpr uint64_t kPage = 0x1000;

}  // namespace

Result<Firmware> load_firmware(const std::string& path, const GuestMemory& memory) {
  auto bad = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("firmware {}: {}", path, what));
  };
  Fd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("look at firmware " + path);
  auto size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < kLeastBytes || size > kMostBytes)
    return bad(fmt::format("not a file of {} bytes to {} MiB", kLeastBytes, kMostBytes >> 20));
  uint64_t whole = (size + kPage - 1) / kPage * kPage;
  Firmware firmware{TRY(Mmap::anonymous(whole)), {kEnd - whole}};
  std::span<std::byte> bytes = firmware.image.bytes();
  if (TRY(read_full(fd.get(), bytes.subspan(whole - size))) != size) return bad("truncated while it was read");
  std::span<std::byte> low = bytes.last(std::min(whole, kLowBytes));
  if (!memory.copy_in({kLowEnd - low.size()}, low)) return bad("the VM has less than 1 MiB of memory");
  return firmware;
}

}  // namespace cloche::boot
