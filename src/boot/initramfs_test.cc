#include "boot/initramfs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace cloche::boot {
namespace {

// Judged by a reader that is not ours.
TEST(Initramfs, CpioListsWhatWasAdded) {
  Initramfs builder;
  builder.add_directory("dev");
  builder.add_device("dev/console", 0600, 5, 1);
  std::string contents = "hello";
  builder.add_file("init", std::as_bytes(std::span(contents)), 0755);
  auto archive = builder.finish();
  EXPECT_EQ(archive.size() % 4, 0u);
  std::string path = ::testing::TempDir() + "initramfs-XXXXXX";
  int fd = ::mkstemp(path.data());
  ASSERT_EQ(::write(fd, archive.data(), archive.size()), static_cast<ssize_t>(archive.size()));
  ::close(fd);
  FILE* list = ::popen(("cpio -itv --quiet < " + path + " 2>&1").c_str(), "r");
  std::string listing(4096, '\0');
  listing.resize(std::fread(listing.data(), 1, listing.size(), list));
  EXPECT_EQ(::pclose(list), 0) << listing;
  ::unlink(path.c_str());
  EXPECT_NE(listing.find("drwxr-xr-x"), std::string::npos) << listing;
  EXPECT_NE(listing.find("crw-------"), std::string::npos) << listing;
  EXPECT_NE(listing.find("5,   1"), std::string::npos) << listing;
  EXPECT_NE(listing.find("-rwxr-xr-x"), std::string::npos) << listing;
}

}  // namespace
}  // namespace cloche::boot
