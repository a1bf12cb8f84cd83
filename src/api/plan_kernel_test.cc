// A kernel that the caller has in memory, as the VM's process gets it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "api/held_files.h"
#include "api/testing/plan_fixture.h"
#include "boot/kernel_image.h"
#include "cloche/held_installation.h"
#include "wire/bundle.h"

namespace cloche {
namespace {

using ::testing::HasSubstr;

constexpr std::array<std::byte, 3> kBytes{std::byte{1}, std::byte{2}, std::byte{3}};

class KernelImageTest : public PlanFixture {
 protected:
  static Config base() {
    return quiet({.arguments = {"true"}, .kernel_image = KernelImage{kBytes, 0x1000000, 0x1000200}});
  }
};

TEST_F(KernelImageTest, IsAFileOfTheVmsProcess) {
  auto made = plan(base()).value();
  EXPECT_EQ(made.vm.kernel_path, "/proc/self/fd/4");
  EXPECT_EQ(made.vm.boot.kernel_format, static_cast<uint8_t>(boot::FileFormat::kBundleImage));
  ASSERT_EQ(made.descriptors.size(), 1u);
  std::array<std::byte, sizeof(wire::BundleHeader) + kBytes.size() + 1> whole;
  ASSERT_EQ(::pread(made.descriptors[0], whole.data(), whole.size(), 0), static_cast<ssize_t>(whole.size() - 1));
  wire::BundleHeader header;
  std::memcpy(&header, whole.data(), sizeof header);
  EXPECT_EQ(header.load, 0x1000000u);
  EXPECT_EQ(header.entry, 0x1000200u);
  EXPECT_TRUE(std::ranges::equal(std::span(whole).subspan(sizeof header, kBytes.size()), kBytes));
}

// With copies open in this process, whose names there may be those that the VM's process has for other files.
TEST_F(KernelImageTest, StaysWhatItIsWhereTheInstallationIsOutOfSight) {
  auto copies = HeldInstallation::hold(fake_.directory()).value()->files().copy().value();
  Config config = base();
  auto made = make_plan(config, copies.installation).value();
  copies.installation.kernel = made.vm.kernel_path;
  EXPECT_EQ(hand_over(std::move(copies), made), "/proc/self/fd/6");
  EXPECT_EQ(made.vm.kernel_path, "/proc/self/fd/4");
  EXPECT_EQ(made.vm.init_path, "/proc/self/fd/5");
}

TEST_F(KernelImageTest, KnowsTsi) {
  Config config = base();
  config.tsi.emplace();
  EXPECT_EQ(why(config), "it is taken");
}

TEST_F(KernelImageTest, IsTheOnlyKernel) {
  Config config = base();
  config.kernel_path = fake_.write("kernel", "x");
  EXPECT_THAT(why(config), HasSubstr("one in a file and one in memory"));
}

TEST_F(KernelImageTest, IsNotEmpty) {
  Config config = base();
  config.kernel_image->bytes = {};
  EXPECT_THAT(why(config), HasSubstr("is empty"));
}

TEST_F(KernelImageTest, IsCutShortByNobodyUnnoticed) {
  std::string path = fake_.write("library", std::string(0x3000, 'x'));
  Fd file = open_file(path, O_RDONLY).value();
  Mmap mapped = Mmap::file(file.get(), 0x3000).value();
  std::filesystem::resize_file(path, 0x1000);
  Config config = base();
  config.kernel_image->bytes = mapped.bytes();
  EXPECT_THAT(why(config), HasSubstr("copy the kernel in memory"));
}

}  // namespace
}  // namespace cloche
