#include "api/held_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include "base/self_fd.h"
#include "cloche/held_installation.h"
#include "cloche/stub.h"

namespace cloche {
namespace {

constexpr off_t kMostBytes = 256 << 20;  // The largest, the kernel, is a few dozen MiB.

std::unexpected<Error> unusable(const std::string& path, int error) {
  return fail(ErrorCode::kUnavailable, fmt::format("{} is missing or not usable; {}", path, kReinstall), error);
}

}  // namespace

Result<HeldFile> HeldFile::hold(const std::string& path) {
  auto fd = open_file(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
  if (!fd) return unusable(path, fd.error().sys_errno);
  struct stat status{};
  if (::fstat(fd->get(), &status) < 0) return fail_errno("look at " + path);
  if (!S_ISREG(status.st_mode) || status.st_size == 0 || status.st_size > kMostBytes) return unusable(path, EINVAL);
  auto contents = TRY(Mmap::file(fd->get(), static_cast<size_t>(status.st_size)));
  return HeldFile(path, status, std::move(contents));
}

bool HeldFile::is_in_place() const {
  struct stat status{};
  return ::stat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

Result<Fd> HeldFile::copy() const {
  Fd file(::memfd_create(path_.substr(path_.rfind('/') + 1).c_str(), MFD_CLOEXEC));
  if (!file) return fail_errno("create a memory file");
  // A page that the file has no more of is an error here (EFAULT), where a look at it would be SIGBUS.
  auto written = write_full(file.get(), contents_.bytes());
  if (!written) return std::unexpected(std::move(written).error().in("copy " + path_));
  return file;
}

Result<HeldFiles> HeldFiles::hold(Installation installation) {
  HeldFile vmm = TRY(HeldFile::hold(installation.vmm));
  HeldFile kernel = TRY(HeldFile::hold(installation.kernel));
  HeldFile init = TRY(HeldFile::hold(installation.init));
  return HeldFiles(std::move(installation), std::move(vmm), std::move(kernel), std::move(init));
}

Result<HeldFiles::Copies> HeldFiles::copy() const {
  TRY(open_self_fd());  // The copies are named through it.
  Copies copies{
      .vmm = TRY(vmm_.copy()), .kernel = TRY(kernel_.copy()), .init = TRY(init_.copy()), .installation = installation_};
  copies.installation.vmm = self_fd_path(copies.vmm.get());
  copies.installation.kernel = self_fd_path(copies.kernel.get());
  copies.installation.init = self_fd_path(copies.init.get());
  copies.installation.bundle_reader.clear();  // Whatever has its path now is somebody else's.
  return copies;
}

std::string hand_over(HeldFiles::Copies copies, Plan& plan) {
  plan.vm.init_path = plan.pass(std::move(copies.init));
  if (plan.has_own_kernel) plan.vm.kernel_path = plan.pass(std::move(copies.kernel));
  return plan.pass(std::move(copies.vmm));
}

Result<std::shared_ptr<const HeldInstallation>> HeldInstallation::hold(const std::string& given) {
  TRY(refuse_as_stub());
  auto files = TRY(HeldFiles::hold(find_installation(given)));
  return std::make_shared<const HeldInstallation>(std::make_unique<const HeldFiles>(std::move(files)));
}

HeldInstallation::HeldInstallation(std::unique_ptr<const HeldFiles> files) : files_(std::move(files)) {}
HeldInstallation::~HeldInstallation() = default;

}  // namespace cloche
