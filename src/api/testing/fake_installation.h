// An installation with a cloche-vmm of the test's choice (fake_vmm.cc), in a directory that goes with it.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace cloche {

class FakeInstallation {
 public:
  explicit FakeInstallation(const std::string& vmm) {
    directory_ = ::testing::TempDir() + "cloche-XXXXXX";
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    std::filesystem::create_directories(directory_ + "/libexec/cloche");
    std::filesystem::create_directories(directory_ + "/share/cloche");
    std::filesystem::create_directories(directory_ + "/bin");
    std::filesystem::create_symlink(vmm, directory_ + "/libexec/cloche/cloche-vmm");
    for (const char* image : {"guest-vmlinux", "machine-vmlinux", "cloche-init"})
      write("share/cloche/" + std::string(image), "image");
  }
  FakeInstallation(const FakeInstallation&) = delete;
  FakeInstallation& operator=(const FakeInstallation&) = delete;
  ~FakeInstallation() { std::filesystem::remove_all(directory_); }

  const std::string& directory() const { return directory_; }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  std::string make_directory(const std::string& name) const {
    std::filesystem::create_directories(path(name));
    return path(name);
  }

 private:
  std::string directory_;
};

}  // namespace cloche
