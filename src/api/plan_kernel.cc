// The guest's kernel and cloche's own programs. A kernel of the user's may be any file: what is wrong with it is said
// before a VM is made. The VM's process checks it all again, as the file may change in between.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "api/plan.h"
#include "base/endian.h"
#include "base/fd.h"
#include "boot/kernel_image.h"
#include "wire/bundle.h"

namespace cloche {
namespace {

constexpr size_t kHeadSize = 0x1000;          // Holds an ELF header, its program headers, and a bzImage's setup header.
constexpr size_t kSetupSectors = 0x1f1;       // Documentation/x86/boot.rst, "The Real-Mode Kernel Header"
constexpr size_t kProtectedModeSize = 0x1f4;  // ... in units of 16 bytes

template <typename T>
T at(std::span<const std::byte> head, size_t offset) {
  T value{};
  if (offset <= head.size() && sizeof value <= head.size() - offset)
    std::memcpy(&value, head.data() + offset, sizeof value);
  return value;
}

// Where the last byte that a loader reads of the file lies. Both are of files whose magic numbers were recognised.
uint64_t elf_end(std::span<const std::byte> head) {
  auto header = at<Elf64_Ehdr>(head, 0);
  uint64_t end = header.e_phoff + uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    auto segment = at<Elf64_Phdr>(head, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_LOAD) end = std::max<uint64_t>(end, segment.p_offset + segment.p_filesz);
  }
  return end;
}

uint64_t bzimage_end(std::span<const std::byte> head) {
  unsigned sectors = at<uint8_t>(head, kSetupSectors);
  return (sectors == 0 ? 4 : sectors) * 512ull + 512 + uint64_t{at<le32>(head, kProtectedModeSize)} * 16;
}

Result<std::string> check_kernel(const std::string& path, KernelFormat wanted) {
  std::array<char, PATH_MAX> real;
  if (::realpath(path.c_str(), real.data()) == nullptr) {
    if (errno == ENOENT) return fail(ErrorCode::kNotFound, fmt::format("kernel {}: there is no such file", path));
    return fail_errno("kernel " + path);
  }
  Fd fd = TRY(open_file(real.data(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("look at kernel " + path);
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::kInvalidArgument, fmt::format("kernel {}: not a regular file", path));
  if (wanted != KernelFormat::kByContents) return std::string(real.data());
  std::vector<std::byte> head(kHeadSize);
  head.resize(TRY(read_full(fd.get(), head)));
  auto format = TRY(boot::recognize(path, head));
  uint64_t end = format == boot::KernelFormat::kBzImage ? bzimage_end(head) : elf_end(head);
  auto size = static_cast<uint64_t>(status.st_size);
  if (end > size)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("kernel {}: truncated: {} of {} bytes are there", path, size, end));
  return std::string(real.data());
}

// A file in memory, for the VM's process.
Result<Fd> write_image(const KernelImage& image) {
  if (image.bytes.empty()) return fail(ErrorCode::kInvalidArgument, "kernel: the one in memory is empty");
  Fd file(::memfd_create("kernel", MFD_CLOEXEC));
  if (!file) return fail_errno("create a memory file");
  wire::BundleHeader header{.load = image.load, .entry = image.entry};
  auto written = write_full(file.get(), std::as_bytes(std::span(&header, 1)));
  if (written) written = write_full(file.get(), image.bytes);
  if (!written) return std::unexpected(std::move(written).error().in("copy the kernel in memory"));
  return file;
}

Result<void> check_own(std::string_view what, const std::string& path, int need) {
  if (::access(path.c_str(), need) == 0) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("{} {} is missing or not usable; {}", what, path, kReinstall),
              errno);
}

}  // namespace

Result<void> plan_kernel(const Config& config, const Installation& installation, Plan& plan) {
  if (config.kernel_image) {
    plan.vm.kernel_path = plan.pass(TRY(write_image(*config.kernel_image)));
    plan.vm.boot.kernel_format = static_cast<uint8_t>(boot::FileFormat::kBundleImage);
  } else if (!config.kernel_path.empty()) {
    plan.vm.kernel_path = TRY(check_kernel(config.kernel_path, config.kernel_format));
  } else {
    TRY(check_own("the guest's kernel", installation.kernel, R_OK));
    plan.vm.kernel_path = installation.kernel;
    plan.has_own_kernel = true;
  }
  TRY(check_own("the guest's first program", installation.init, R_OK));
  TRY(check_own("the VM program", installation.vmm, X_OK));
  plan.vm.init_path = installation.init;
  plan.vm.bundle_reader_path = installation.bundle_reader;
  plan.vm.extra_command_line = config.extra_command_line;
  return {};
}

}  // namespace cloche
