#include "machine/krun_bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/fd.h"
#include "base/mmap.h"
#include "wire/bundle.h"

namespace cloche {
namespace {

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("kernel library {}: {}", path, what));
}

// Runs the reader with `output` as its standard output; its standard error is ours.
Result<void> run_reader(const std::string& reader_path, const std::string& path, const Fd& output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
  std::string name = "cloche-bundle-reader", library = path;
  std::array<char*, 3> arguments{name.data(), library.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  pid_t child = 0;
  int error = ::posix_spawn(&child, reader_path.c_str(), &actions, nullptr, arguments.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail_errno("start " + reader_path, error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return bad(path, "does not hold a kernel (krunfw_get_kernel)");
  return {};
}

Result<boot::LoadedKernel> load_image(const std::string& path, const Fd& image, const GuestMemory& memory) {
  struct stat status{};
  if (::fstat(image.get(), &status) < 0) return fail_errno("look at a memory file");
  auto size = static_cast<size_t>(status.st_size);
  if (size <= sizeof(wire::BundleHeader)) return bad(path, "gave no kernel");
  Mmap whole = TRY(Mmap::file(image.get(), size));
  wire::BundleHeader header;
  std::memcpy(&header, whole.data(), sizeof header);
  return boot::load_raw_kernel(whole.bytes().subspan(sizeof header), {header.load}, {header.entry}, memory);
}

}  // namespace

Result<bool> is_krun_bundle(const std::string& path) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  std::vector<std::byte> head(0x1000);
  Result<size_t> got = read_full(fd.get(), head);
  if (!got) return std::unexpected(std::move(got).error().in("kernel " + path));
  head.resize(*got);
  return TRY(boot::recognize(path, head)) == boot::KernelFormat::kKrunBundle;
}

Result<boot::LoadedKernel> load_krun_bundle(const std::string& reader_path, const std::string& path,
                                            const GuestMemory& memory) {
  if (reader_path.empty())
    return bad(path,
               "cannot be opened any more: cloche's programs are out of sight, as the root directory was changed");
  Fd image(::memfd_create("kernel", MFD_CLOEXEC));
  if (!image) return fail_errno("create a memory file");
  TRY(run_reader(reader_path, path, image));
  return load_image(path, image, memory);
}

Result<boot::LoadedKernel> load_bundle_image(const std::string& path, const GuestMemory& memory) {
  return load_image(path, TRY(open_file(path, O_RDONLY)), memory);
}

}  // namespace cloche
