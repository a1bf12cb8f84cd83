#include "boot/compressed_kernel.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "boot/unpack.h"

namespace cloche::boot {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kMaxPacked = 256 << 20;    // Kernels are below 32 MiB;
constexpr uint64_t kMaxUnpacked = 512 << 20;  // a vmlinux with all its debugging symbols has about this.
// Their first bytes are not rare in other data, and what is tried in vain costs time.
constexpr int kMostPlaces = 64;

struct Method {
  std::string_view name, magic;
  bool (*unpack)(std::span<const std::byte> from, Sink& to);
};

Method method_of(Compression compression) {
  switch (compression) {
    case Compression::kBzip2:
      return {"bzip2", "BZh"sv, unpack_bzip2};
    case Compression::kGzip:
      return {"gzip", "\x1f\x8b\x08"sv, unpack_gzip};  // RFC 1952: deflate is the one method there is.
    case Compression::kZstd:
      break;
  }
  return {"zstd", "\x28\xb5\x2f\xfd"sv, unpack_zstd};
}

// Into a file in memory, as long as it is an ELF file.
class ElfSink final : public Sink {
 public:
  explicit ElfSink(int fd) : fd_(fd) {}
  bool put(std::span<const std::byte> bytes) override {
    if (bytes.empty()) return true;
    if (size_ == 0) is_elf_ = bytes.size() >= SELFMAG && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
    if (!is_elf_ || bytes.size() > kMaxUnpacked - size_) return false;
    size_ += bytes.size();
    return write_full(fd_, bytes).has_value();
  }
  bool is_elf() const { return is_elf_; }

 private:
  int fd_;
  uint64_t size_ = 0;
  bool is_elf_ = false;
};

Result<std::vector<std::byte>> read_packed(const std::string& path) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("look at kernel " + path);
  auto size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size > kMaxPacked)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("kernel {}: not a regular file of at most {} MiB", path, kMaxPacked >> 20));
  std::vector<std::byte> packed(size);
  packed.resize(TRY(read_full(fd.get(), packed)));
  return packed;
}

}  // namespace

Result<Fd> unpack_kernel(const std::string& path, Compression compression) {
  Method method = method_of(compression);
  std::vector<std::byte> packed = TRY(read_packed(path));
  std::string_view text(reinterpret_cast<const char*>(packed.data()), packed.size());
  bool damaged = false;
  size_t at = text.find(method.magic);
  for (int tried = 0; at != std::string_view::npos && tried < kMostPlaces; ++tried) {
    Fd image(::memfd_create("kernel", MFD_CLOEXEC));
    if (!image) return fail_errno("create a memory file");
    ElfSink sink(image.get());
    if (method.unpack(std::span(packed).subspan(at), sink) && sink.is_elf()) return image;
    damaged |= sink.is_elf();
    at = text.find(method.magic, at + 1);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("kernel {}: {}", path,
                          damaged ? fmt::format("what is compressed in it by {} is damaged or too large", method.name)
                                  : fmt::format("no ELF kernel is compressed in it by {}", method.name)));
}

}  // namespace cloche::boot
