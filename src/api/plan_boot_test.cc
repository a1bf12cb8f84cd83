// A guest with a first program of its own: what goes with it, and what does not.
#include <gmock/gmock.h>

#include "api/plan.h"
#include "api/testing/plan_fixture.h"

namespace cloche {
namespace {

using ::testing::HasSubstr;

class PlanBootTest : public PlanFixture {
 protected:
  static Config guests() {
    return quiet({.root = {.source = RootSource::kNone}, .first_program = FirstProgram::kGuests});
  }
};

TEST_F(PlanBootTest, NeedsNoCommandAndNoRoot) {
  Config config = guests();
  config.initramfs_path = fake_.write("initramfs", "070701");
  config.command_line = "console=hvc0";
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->vm.boot.is_guests);
  EXPECT_EQ(made->vm.root, wire::RootKind::kNone);
  EXPECT_EQ(made->vm.boot.initramfs_path, config.initramfs_path);
  EXPECT_TRUE(made->vm.boot.has_command_line);
  EXPECT_EQ(made->vm.boot.command_line, "console=hvc0");
}

TEST_F(PlanBootTest, ItsRootHasLibkrunsTag) {
  Config config = guests();
  config.root = {.source = RootSource::kDirectory, .path = fake_.directory(), .writes = Writes::kKept};
  config.shares = {{.host_path = fake_.directory(), .guest_path = "/nowhere"}};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.root_tag, "/dev/root");
  EXPECT_TRUE(made->vm.start.mounts.empty());
  config.root.writes = Writes::kPrivate;
  EXPECT_THAT(why(config), HasSubstr("kept or refused"));
  config.root = {.source = RootSource::kHost};
  EXPECT_THAT(why(config), HasSubstr("the root is a directory"));
}

TEST_F(PlanBootTest, FilesThatAreNotThereAreNamed) {
  Config config = guests();
  config.initramfs_path = fake_.path("none");
  EXPECT_THAT(why(config), HasSubstr("initramfs"));
  config.initramfs_path = fake_.directory();
  EXPECT_THAT(why(config), HasSubstr("not a regular file"));
  config.initramfs_path.clear();
  config.firmware_path = fake_.path("none");
  EXPECT_THAT(why(config), HasSubstr("firmware"));
  config.firmware_path = fake_.write("firmware", "x");
  EXPECT_EQ(why(config), "it is taken");
  config.initramfs_path = config.firmware_path;
  EXPECT_THAT(why(config), HasSubstr("do not go together"));
}

TEST_F(PlanBootTest, OemStringsReachTheVm) {
  Config config = quiet({.arguments = {"true"}});
  config.smbios_oem_strings = {"one", "two"};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.boot.oem_strings, config.smbios_oem_strings);
  config.smbios_oem_strings.emplace_back();
  EXPECT_THAT(why(config), HasSubstr("one is empty"));
  config.smbios_oem_strings = {std::string("a\0b", 3)};
  EXPECT_THAT(why(config), HasSubstr("SMBIOS OEM strings"));
  config = guests();
  config.firmware_path = fake_.write("firmware", "x");
  config.smbios_oem_strings = {"one"};
  EXPECT_THAT(why(config), HasSubstr("firmware"));
}

TEST_F(PlanBootTest, BelongsToAGuestOfItsOwnOnly) {
  Config config = guests();
  config.arguments = {"true"};
  config.first_program = FirstProgram::kCloche;
  EXPECT_THAT(why(config), HasSubstr("the command needs one"));
  config.root = {};
  EXPECT_EQ(why(config), "it is taken");
  config.command_line = "";
  EXPECT_THAT(why(config), HasSubstr("only"));
  config.command_line.reset();
  config.kernel_format = KernelFormat::kGzip;
  EXPECT_THAT(why(config), HasSubstr("it has a format"));
}

TEST_F(PlanBootTest, SharesAndRootsWithoutADirectory) {
  Config config{.arguments = {"true"}, .root = {.source = RootSource::kEmpty, .writes = Writes::kRefused}};
  config.streams = {.input = -1, .output = -1, .error = -1};
  config.root.injected = {{.path = "bin", .kind = InjectedKind::kDirectory}, {.path = "bin/sh", .contents = "x"}};
  config.shares = {{.injected = {{.path = "file", .contents = "y"}}, .tag = "empty", .source = ShareSource::kEmpty}};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.root, wire::RootKind::kEmpty);
  EXPECT_EQ(made->vm.root_injected.size(), 2u);
  EXPECT_TRUE(made->vm.shares[0].is_empty);
  EXPECT_TRUE(made->vm.shares[0].read_only);
  config.shares[0].dax_window_mib = 2;
  EXPECT_THAT(why(config), HasSubstr("no DAX window"));
  config.shares.clear();
  config.root.writes = Writes::kKept;
  EXPECT_THAT(why(config), HasSubstr("cannot be kept"));
}

}  // namespace
}  // namespace cloche
