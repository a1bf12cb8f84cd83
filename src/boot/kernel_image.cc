#include "boot/kernel_image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/endian.h"
#include "base/fd.h"
#include "boot/compressed_kernel.h"

namespace cloche::boot {
namespace {

constexpr size_t kHeadSize = 0x1000;             // Holds an ELF header and a bzImage's setup header.
constexpr unsigned kMaxProgramHeaders = 64;      // A vmlinux has five.
constexpr uint64_t kMaxImageBytes = 1ull << 30;  // Larger than any kernel; bounds the arithmetic below.

// Offsets in a bzImage (Documentation/x86/boot.rst, "The Real-Mode Kernel Header").
constexpr size_t kSetupSectors = 0x1f1;
constexpr size_t kBootFlag = 0x1fe;
constexpr size_t kHeaderMagic = 0x202;
constexpr size_t kProtocolVersion = 0x206;
constexpr size_t kExtendedLoadFlags = 0x236;
constexpr size_t kPreferredAddress = 0x258;
constexpr size_t kInitSize = 0x260;
constexpr size_t kSetupHeader = 0x1f1;
constexpr uint16_t kMinimalProtocol = 0x20c;  // The first with a 64-bit entry point.
constexpr uint16_t kHas64BitEntry = 1;        // XLF_KERNEL_64
constexpr uint64_t kEntry64Offset = 0x200;

// Memory below 1 MiB holds what the boot protocol puts there: no kernel may lie in it.
constexpr uint64_t kLowest = 0x100000;

struct KernelFile {
  std::string path;
  Fd fd;
  uint64_t size = 0;
  std::vector<std::byte> head;

  template <typename T>
  T at(size_t offset) const {
    T value{};
    if (offset + sizeof value <= head.size()) std::memcpy(&value, head.data() + offset, sizeof value);
    return value;
  }
  std::unexpected<Error> bad(std::string_view what) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("kernel {}: {}", path, what));
  }
};

Result<KernelFile> open_kernel(const std::string& path, Fd fd) {
  KernelFile file{path, std::move(fd), 0, {}};
  struct stat status{};
  if (::fstat(file.fd.get(), &status) < 0) return fail_errno("look at kernel " + path);
  if (!S_ISREG(status.st_mode)) return file.bad("not a regular file");
  file.size = static_cast<uint64_t>(status.st_size);
  if (file.size > kMaxImageBytes) return file.bad("larger than 1 GiB");
  file.head.resize(std::min<uint64_t>(kHeadSize, file.size));
  ssize_t got = ::pread(file.fd.get(), file.head.data(), file.head.size(), 0);
  if (got < 0) return fail_errno("read kernel " + path);
  file.head.resize(static_cast<size_t>(got));
  return file;
}

struct Piece {
  uint64_t offset, size;
};

// Reads a piece of the file into guest memory.
Result<void> read_at(const KernelFile& file, Piece piece, GuestAddr to, const GuestMemory& memory) {
  auto [offset, size] = piece;
  if (offset > file.size || size > file.size - offset) return file.bad("truncated");
  auto place = memory.range(to, size);
  if (!place)
    return file.bad(
        fmt::format("needs {} KiB at {:#x}, which the VM's {} MiB of memory do not cover: give it more memory",
                    size >> 10, to.value, memory.size() >> 20));
  std::span<std::byte> rest = *place;
  while (!rest.empty()) {
    ssize_t got = ::pread(file.fd.get(), rest.data(), rest.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read kernel " + file.path);
    if (got == 0) return file.bad("truncated while it was read");
    rest = rest.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return {};
}

GuestAddr page_above(uint64_t address) { return {(address + 0xfff) & ~uint64_t{0xfff}}; }

Result<LoadedKernel> load_elf(const KernelFile& file, const GuestMemory& memory) {
  auto header = file.at<Elf64_Ehdr>(0);
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return file.bad("damaged ELF header");
  if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders) return file.bad("no program headers to load");
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  uint64_t table_size = segments.size() * sizeof(Elf64_Phdr);
  if (header.e_phoff > file.size || table_size > file.size - header.e_phoff) return file.bad("truncated");
  if (::pread(file.fd.get(), segments.data(), table_size, static_cast<off_t>(header.e_phoff)) !=
      static_cast<ssize_t>(table_size))
    return file.bad("truncated");
  LoadedKernel kernel;
  bool entry_inside = false;
  uint64_t lowest_physical = UINT64_MAX, virtual_of_lowest = 0;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (segment.p_filesz > segment.p_memsz || segment.p_memsz > kMaxImageBytes)
      return file.bad("damaged segment sizes");
    if (segment.p_paddr < kLowest || segment.p_paddr > UINT64_MAX - segment.p_memsz)
      return file.bad(fmt::format("wants to lie at {:#x}, below 1 MiB", uint64_t{segment.p_paddr}));
    TRY(read_at(file, {segment.p_offset, segment.p_filesz}, {segment.p_paddr}, memory));
    // The rest of the segment is zero, as fresh guest memory is; it only has to be there.
    if (!memory.range({segment.p_paddr}, segment.p_memsz))
      return file.bad(fmt::format("does not fit into {} MiB of memory", memory.size() >> 20));
    uint64_t end = segment.p_paddr + segment.p_memsz;
    kernel.first_free = std::max(kernel.first_free, page_above(end));
    entry_inside |= header.e_entry >= segment.p_paddr && header.e_entry < end;
    if (segment.p_paddr < lowest_physical) {
      lowest_physical = segment.p_paddr;
      virtual_of_lowest = segment.p_vaddr;
    }
  }
  if (lowest_physical == UINT64_MAX) return file.bad("nothing to load in it");
  kernel.entry = {header.e_entry};
  // Linux gives a physical entry; other kernels give a virtual one.
  if (!entry_inside) kernel.entry.value = header.e_entry - virtual_of_lowest + lowest_physical;
  if (!memory.range(kernel.entry, 1)) return file.bad("its entry point lies outside of what it loads");
  return kernel;
}

Result<LoadedKernel> load_bzimage(const KernelFile& file, const GuestMemory& memory) {
  auto version = file.at<le16>(kProtocolVersion);
  if (version < kMinimalProtocol)
    return file.bad(fmt::format("boot protocol {:#x} is older than {:#x}", uint16_t{version}, kMinimalProtocol));
  if ((file.at<le16>(kExtendedLoadFlags) & kHas64BitEntry) == 0) return file.bad("no 64-bit entry point");
  unsigned sectors = file.at<uint8_t>(kSetupSectors);
  uint64_t offset = (sectors == 0 ? 4 : sectors) * 512ull + 512;
  if (offset >= file.size) return file.bad("truncated");
  uint64_t load = file.at<le64>(kPreferredAddress);
  if (load < kLowest) return file.bad("wants to lie below 1 MiB");
  uint64_t size = file.size - offset;
  // It unpacks itself in place and says how much room that takes.
  uint64_t room = std::max<uint64_t>(file.at<le32>(kInitSize), size);
  TRY(read_at(file, {offset, size}, {load}, memory));
  if (room > kMaxImageBytes || !memory.range({load}, room))
    return file.bad(fmt::format("needs {} MiB to unpack itself, more than the VM's {} MiB of memory hold", room >> 20,
                                memory.size() >> 20));
  LoadedKernel kernel;
  kernel.entry = {load + kEntry64Offset};
  kernel.first_free = page_above(load + room);
  kernel.setup_header.emplace();
  std::memcpy(kernel.setup_header->data(), file.head.data() + kSetupHeader, kernel.setup_header->size());
  return kernel;
}

}  // namespace

Result<KernelFormat> recognize(const std::string& path, std::span<const std::byte> head) {
  auto bad = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("kernel {}: {}", path, what));
  };
  if (head.empty()) return bad("the file is empty");
  auto byte = [&](size_t at) { return at < head.size() ? static_cast<uint8_t>(head[at]) : uint8_t{0}; };
  if (head.size() >= SELFMAG && std::memcmp(head.data(), ELFMAG, SELFMAG) == 0) {
    if (head.size() < sizeof(Elf64_Ehdr)) return bad("truncated");
    uint16_t type = static_cast<uint16_t>(byte(16) | byte(17) << 8);
    uint16_t machine = static_cast<uint16_t>(byte(18) | byte(19) << 8);
    if (byte(EI_CLASS) != ELFCLASS64) return bad("a 32-bit ELF file; a 64-bit x86 kernel is needed");
    if (machine != EM_X86_64)
      return bad(fmt::format("an ELF file for another architecture (machine {}); x86_64 is needed", machine));
    if (type == ET_EXEC) return KernelFormat::kElf;
    if (type == ET_DYN) return KernelFormat::kKrunBundle;
    return bad("an ELF file that is neither a kernel nor a library");
  }
  bool boot_flag = byte(kBootFlag) == 0x55 && byte(kBootFlag + 1) == 0xaa;
  if (boot_flag && head.size() >= kHeaderMagic + 4 && std::memcmp(head.data() + kHeaderMagic, "HdrS", 4) == 0) {
    if (head.size() < kInitSize + 8) return bad("truncated");
    return KernelFormat::kBzImage;
  }
  if (byte(0) == 'M' && byte(1) == 'Z')
    return bad("a PE image (arm64 or EFI program); an x86_64 vmlinux or bzImage is needed");
  if (byte(0) == 0x1f && byte(1) == 0x8b) return bad("gzip-compressed; unpack it first");
  bool text = std::ranges::all_of(head.first(std::min<size_t>(head.size(), 256)), [](std::byte each) {
    auto value = static_cast<uint8_t>(each);
    return value == '\n' || value == '\t' || value == '\r' || (value >= 0x20 && value < 0x7f);
  });
  return bad(text ? "a text file, not a kernel" : "neither an ELF vmlinux, nor a bzImage, nor a libkrunfw library");
}

namespace {

Result<LoadedKernel> load_raw_file(const KernelFile& file, const GuestMemory& memory) {
  if (file.size == 0) return file.bad("the file is empty");
  TRY(read_at(file, {0, file.size}, kRawKernel, memory));
  return LoadedKernel{kRawKernel, page_above(kRawKernel.value + file.size), std::nullopt};
}

Result<KernelFile> open_format(const std::string& path, FileFormat format) {
  switch (format) {
    case FileFormat::kBzip2:
      return open_kernel(path, TRY(unpack_kernel(path, Compression::kBzip2)));
    case FileFormat::kGzip:
      return open_kernel(path, TRY(unpack_kernel(path, Compression::kGzip)));
    case FileFormat::kZstd:
      return open_kernel(path, TRY(unpack_kernel(path, Compression::kZstd)));
    case FileFormat::kByContents:
    case FileFormat::kRaw:
    case FileFormat::kBundleImage:
      break;
  }
  return open_kernel(path, TRY(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)));
}

}  // namespace

Result<LoadedKernel> load_kernel(const std::string& path, const GuestMemory& memory, FileFormat format) {
  KernelFile file = TRY(open_format(path, format));
  if (format == FileFormat::kRaw) return load_raw_file(file, memory);
  switch (TRY(recognize(path, file.head))) {
    case KernelFormat::kElf:
      return load_elf(file, memory);
    case KernelFormat::kBzImage:
      return load_bzimage(file, memory);
    case KernelFormat::kKrunBundle:
      break;
  }
  return fail(ErrorCode::kInternal, fmt::format("kernel {}: a library is loaded by load_raw_kernel", path));
}

Result<LoadedKernel> load_raw_kernel(std::span<const std::byte> image, GuestAddr load, GuestAddr entry,
                                     const GuestMemory& memory) {
  if (load.value < kLowest || image.empty() || image.size() > kMaxImageBytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a kernel of {} bytes cannot lie at {:#x}", image.size(), load.value));
  if (auto copied = memory.copy_in(load, image); !copied)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a kernel of {} MiB at {:#x} does not fit into {} MiB of memory", image.size() >> 20,
                            load.value, memory.size() >> 20));
  if (entry < load || entry.value >= load.value + image.size())
    return fail(ErrorCode::kInvalidArgument, "the kernel's entry point lies outside of it");
  return LoadedKernel{entry, page_above(load.value + image.size()), std::nullopt};
}

}  // namespace cloche::boot
