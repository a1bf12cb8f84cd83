#include "carrier/qemu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "carrier/boot.h"

namespace cloche::carrier {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

QemuConfig sample(Kind kind = Kind::kNormal) {
  return {.kind = kind,
          .memory_mib = 4096,
          .port = 4567,
          .idle_stop_s = 900,
          .kernel_path = "/k/vmlinux",
          .initramfs_path = "/s/initramfs",
          .token_path = "/s/to,ken",
          .console_path = "/s/console.log",
          .hostname = "host"};
}

std::string joined(const std::vector<std::string>& arguments) {
  std::string all;
  for (const std::string& each : arguments) all += each + " ";
  return all;
}

class Environment : public testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"CLOCHE_MACHINE_MEMORY_MIB", "CLOCHE_MACHINE_IDLE_MINUTES"}) ::unsetenv(name);
  }
};

TEST(QemuArguments, LetNothingOutAndOneThingIn) {
  std::string all = joined(qemu_arguments(sample()));
  EXPECT_THAT(all, HasSubstr("restrict=on"));
  EXPECT_THAT(all, HasSubstr("hostfwd=tcp:127.0.0.1:4567-10.0.2.15:1024"));
  EXPECT_THAT(qemu_arguments(sample()), Contains("-nodefaults"));
  EXPECT_THAT(qemu_arguments(sample()), Contains("-no-reboot"));
}

TEST(QemuArguments, NameTheTokensFileOnly) {
  EXPECT_THAT(qemu_arguments(sample()), Contains("name=opt/cloche/token,file=/s/to,,ken"));
}

TEST(QemuArguments, FilesKeepTheirOwnersOnlyForRoot) {
  QemuConfig config = sample();
  EXPECT_THAT(joined(qemu_arguments(config)), HasSubstr("path=/,security_model=none"));
  config.as_root = true;
  EXPECT_THAT(joined(qemu_arguments(config)), HasSubstr("path=/,security_model=passthrough"));
  config.share_cached_usr = false;
  EXPECT_THAT(joined(qemu_arguments(config)), Not(HasSubstr("cloche-usr")));
}

TEST(QemuArguments, IcountIsForThatKindAlone) {
  EXPECT_THAT(joined(qemu_arguments(sample())), AllOf(Not(HasSubstr("icount")), HasSubstr("-smp 1 ")));
  std::string all = joined(qemu_arguments(sample(Kind::kIcount)));
  EXPECT_THAT(all, HasSubstr("-icount shift=0,sleep=off"));
  EXPECT_THAT(all, HasSubstr("thread=single"));
}

TEST_F(Environment, SizeFollowsTheHostUnlessToldOtherwise) {
  EXPECT_LE(memory_for_host().value(), 8192U);
  ::setenv("CLOCHE_MACHINE_MEMORY_MIB", "3000", 1);
  EXPECT_EQ(memory_for_host().value(), 3000U);
  for (const char* wrong : {"10", "3G", "-1", "99999999999999999999"}) {
    ::setenv("CLOCHE_MACHINE_MEMORY_MIB", wrong, 1);
    auto refused = memory_for_host();
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(Environment, IdleStop) {
  EXPECT_EQ(idle_stop_s(Kind::kNormal).value(), 900U);
  ::setenv("CLOCHE_MACHINE_IDLE_MINUTES", "0", 1);
  EXPECT_EQ(idle_stop_s(Kind::kIcount).value(), 0U);
  ::setenv("CLOCHE_MACHINE_IDLE_MINUTES", "soon", 1);
  EXPECT_FALSE(idle_stop_s(Kind::kNormal).has_value());
}

TEST(FreePort, IsOne) { EXPECT_GT(free_port().value(), 1023); }

TEST(Initramfs, IsAnArchiveWithTheAgentInIt) {
  std::string agent = "agent's bytes";
  auto archive = make_initramfs(std::as_bytes(std::span(agent)));
  std::string text(reinterpret_cast<const char*>(archive.data()), archive.size());
  EXPECT_EQ(text.size() % 4, 0U);
  size_t init = text.find("init");
  ASSERT_NE(init, std::string::npos);
  std::string header = text.substr(init - 110, 110);
  EXPECT_EQ(header.substr(0, 6), "070701");
  EXPECT_EQ(header.substr(14, 8), "000081ED");  // A regular file, mode 0755.
  EXPECT_EQ(std::stoul(header.substr(54, 8), nullptr, 16), agent.size());
  size_t contents = (init + 5 + 3) / 4 * 4;
  EXPECT_EQ(text.substr(contents, agent.size()), agent);
  EXPECT_THAT(text, HasSubstr("TRAILER!!!"));
}

}  // namespace
}  // namespace cloche::carrier
