#include "guest/krun-init/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloche::krun_init {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Request made(const Words& words, const krun::ConfiguredProcess& configured = {}) {
  auto request = make_request(words, configured);
  EXPECT_TRUE(request) << request.error().what;
  return request ? *request : Request();
}

TEST(RequestTest, TheProgramThatIsNamedHasTheKernelsArguments) {
  krun::ConfiguredProcess configured{.arguments = {"configured"}};
  Request request = made({{"a", "b c"}, {"KRUN_INIT=/bin/x"}, ""}, configured);
  EXPECT_THAT(request.start.arguments, ElementsAre("/bin/x", "a", "b c"));
}

TEST(RequestTest, WithoutItTheConfigurationsComeFirstThenTheKernelsThenAShell) {
  krun::ConfiguredProcess configured{.arguments = {"configured", "1"}};
  EXPECT_THAT(made({{"/bin/y", "a"}, {}, ""}, configured).start.arguments, ElementsAre("configured", "1"));
  EXPECT_THAT(made({{"/bin/y", "a"}, {"KRUN_INIT="}, ""}).start.arguments, ElementsAre("/bin/y", "a"));
  EXPECT_THAT(made({}).start.arguments, ElementsAre("/bin/sh"));
}

TEST(RequestTest, TheEnvironmentIsTheKernelsAndTheConfigurations) {
  Words words{{}, {"HOME=/", "TERM=linux", "COLOUR=blue", "KRUN_HOME=/root"}, ""};
  krun::ConfiguredProcess configured{.environment = {"COLOUR=red", "SIZE=big", "HOME=/h", "TERM=xterm"}};
  EXPECT_THAT(made(words, configured).start.environment,
              ElementsAre("HOME=/root", "TERM=xterm", "COLOUR=blue", "KRUN_HOME=/root", "SIZE=big"));
}

TEST(RequestTest, TheNameIsTheEnvironments) {
  EXPECT_EQ(made({}).start.hostname, "localhost");
  EXPECT_EQ(made({}, {.environment = {"HOSTNAME=here"}}).start.hostname, "here");
}

TEST(RequestTest, TheDirectoryThatIsNamedStandsBeforeTheConfigurations) {
  krun::ConfiguredProcess configured{.working_directory = "/configured"};
  EXPECT_EQ(made({{}, {"KRUN_WORKDIR=/tmp"}, ""}, configured).start.working_directory, "/tmp");
  EXPECT_EQ(made({}, configured).start.working_directory, "/configured");
  EXPECT_EQ(made({}).start.working_directory, "");
}

TEST(RequestTest, LimitsAreNumbered) {
  Request request = made({{}, {"KRUN_RLIMITS=7=100:200,4:0:18446744073709551615"}, ""});
  ASSERT_EQ(request.start.limits.size(), 2u);
  EXPECT_EQ(request.start.limits[0].resource, 7u);
  EXPECT_EQ(request.start.limits[0].soft, 100u);
  EXPECT_EQ(request.start.limits[1].hard, UINT64_MAX);
  EXPECT_THAT(made({}).start.limits, IsEmpty());
}

TEST(RequestTest, LimitsThatSayNothingAreRefused) {
  for (const char* text : {"7", "7=100", "99=1:2", "7=1:18446744073709551616", ",", "nofile=1:2"}) {
    auto request = make_request({{}, {std::string("KRUN_RLIMITS=") + text}, ""}, {});
    ASSERT_FALSE(request) << text;
    EXPECT_TRUE(request.error().what.contains(text));
  }
}

TEST(RequestTest, DhcpIsAskedForByOneWord) {
  EXPECT_THAT(made({{}, {"KRUN_DHCP=0"}, ""}).start.interfaces, IsEmpty());
  Request request = made({{}, {"KRUN_DHCP=1"}, ""});
  ASSERT_EQ(request.start.interfaces.size(), 1u);
  EXPECT_TRUE(request.start.interfaces[0].has_dhcp);
}

TEST(RequestTest, TsiIsSaidByAWholeWordOfTheCommandLine) {
  EXPECT_TRUE(made({{}, {}, "quiet tsi_hijack"}).start.impersonation.is_on);
  EXPECT_TRUE(made({{}, {}, "tsi_hijack\n"}).start.impersonation.is_on);
  for (const char* line : {"", "tsi_hijack_unix", "x=tsi_hijack", "tsi_hijack=1"})
    EXPECT_FALSE(made({{}, {}, line}).start.impersonation.is_on) << line;
}

TEST(RequestTest, OneWordGivesTheCommandTheFirstProgramsPlace) {
  EXPECT_TRUE(made({{}, {"KRUN_INIT_PID1=1"}, ""}).is_first);
  EXPECT_FALSE(made({{}, {"KRUN_INIT_PID1=0"}, ""}).is_first);
  EXPECT_FALSE(made({}).is_first);
}

TEST(RequestTest, TheRootsDisk) {
  wire::RootDevice device =
      root_device_in({"KRUN_BLOCK_ROOT_DEVICE=/dev/vda", "KRUN_BLOCK_ROOT_FSTYPE=auto", "KRUN_BLOCK_ROOT_OPTIONS=ro"});
  EXPECT_EQ(device.path, "/dev/vda");
  EXPECT_EQ(device.type, "");
  EXPECT_EQ(device.options, "ro");
  EXPECT_EQ(root_device_in({"KRUN_BLOCK_ROOT_FSTYPE=ext4"}).type, "ext4");
  EXPECT_EQ(root_device_in({}).path, "");
}

// As a kernel hands over whatever stands on its command line.
TEST(RequestTest, WordsThatAreNoVariablesDoNoHarm) {
  Words words{{""}, {"", "=", "KRUN_INIT", "=KRUN_INIT=x", std::string(1 << 20, '=')}, std::string(1 << 20, ' ')};
  EXPECT_THAT(made(words, {.environment = {"", "=", "x"}}).start.arguments, ElementsAre(""));
}

}  // namespace
}  // namespace cloche::krun_init
