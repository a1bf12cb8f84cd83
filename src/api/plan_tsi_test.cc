// What of the host's sockets a Config gives to a guest: what is taken, and what is refused in words that name it.
#include <elf.h>
#include <gmock/gmock.h>

#include "api/plan.h"
#include "api/testing/plan_fixture.h"

namespace cloche {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlanTsiTest : public PlanFixture {
 protected:
  static std::string elf(uint16_t type) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = type;
    header.e_machine = EM_X86_64;
    return {reinterpret_cast<const char*>(&header), sizeof header};
  }
  Result<Plan> plan(Tsi tsi, std::vector<VsockPort> ports = {}) {
    return PlanFixture::plan(quiet(
        {.arguments = {"true"}, .vsock_ports = std::move(ports), .tsi = std::move(tsi), .kernel_path = library_}));
  }
  std::string why(const Tsi& tsi) { return PlanFixture::why(plan(tsi)); }
  std::string library_ = fake_.write("libkrunfw.so.5", elf(ET_DYN));
};

TEST_F(PlanTsiTest, NothingUnlessAskedFor) {
  Config config{.arguments = {"true"}, .kernel_path = library_};
  config.streams = {.input = -1, .output = -1, .error = -1};
  auto made = make_plan(config, find_installation(fake_.directory())).value();
  EXPECT_FALSE(made.vm.tsi.is_on || made.vm.start.impersonation.is_on);
}

TEST_F(PlanTsiTest, IsAsClosedAsItCanBe) {
  auto made = plan({}).value();
  EXPECT_TRUE(made.vm.tsi.is_on && made.vm.tsi.has_inet && made.vm.start.impersonation.is_on);
  EXPECT_FALSE(made.vm.tsi.reaches_loopback || made.vm.tsi.publishes_all);
  EXPECT_TRUE(made.vm.tsi.ports.empty() && made.vm.tsi.unix_directories.empty());
  EXPECT_THAT(made.vm.start.impersonation.resolv_conf, Not(HasSubstr("nameserver 127.")));
}

TEST_F(PlanTsiTest, WhatIsOpened) {
  auto made = plan({.loopback = TsiLoopback::kAllowed,
                    .listeners = TsiListeners::kAll,
                    .ports = {{.host_port = 8080, .guest_port = 80}},
                    .unix_directories = {fake_.directory() + "/bin/", "/"}})
                  .value();
  EXPECT_TRUE(made.vm.tsi.reaches_loopback && made.vm.tsi.publishes_all);
  EXPECT_THAT(made.vm.tsi.ports, ElementsAre(wire::VmTsiPort{"127.0.0.1", 8080, 80}));
  EXPECT_THAT(made.vm.tsi.unix_directories, ElementsAre(HasSubstr("/bin"), "/"));
  EXPECT_FALSE(made.vm.tsi.unix_directories[0].ends_with('/'));
}

TEST_F(PlanTsiTest, UnixAloneNeedsNoAddress) {
  auto made = plan({.inet = TsiInet::kOff, .unix_directories = {"/"}}).value();
  EXPECT_FALSE(made.vm.tsi.has_inet || made.vm.start.impersonation.is_on);
}

TEST_F(PlanTsiTest, OtherKernelsDoNotKnowIt) {
  library_ = fake_.write("vmlinux", elf(ET_EXEC));
  EXPECT_THAT(why({}), HasSubstr("is no libkrunfw library"));
}

TEST_F(PlanTsiTest, WhatIsWrong) {
  EXPECT_THAT(why({.inet = TsiInet::kOff}), HasSubstr("inet"));
  EXPECT_THAT(why({.inet = TsiInet::kOff, .ports = {{.host_port = 1, .guest_port = 1}}, .unix_directories = {"/"}}),
              HasSubstr("ports"));
  EXPECT_THAT(why({.ports = {{.host_port = 0, .guest_port = 1}}}), HasSubstr("1 to 65535"));
  EXPECT_THAT(why({.ports = {{.host_port = 1, .guest_port = 1, .protocol = PortProtocol::kUdp}}}), HasSubstr("TCP"));
  EXPECT_THAT(why({.ports = {{.host_port = 1, .guest_port = 1, .address = "here"}}}), HasSubstr("'here'"));
  EXPECT_THAT(why({.ports = {{.host_port = 1, .guest_port = 80}, {.host_port = 2, .guest_port = 80}}}),
              HasSubstr("twice"));
  EXPECT_THAT(why({.ports = std::vector<PublishedPort>(257)}), HasSubstr("257"));
  EXPECT_THAT(why({.unix_directories = {"here"}}), HasSubstr("'here'"));
  EXPECT_THAT(why({.unix_directories = {library_}}), HasSubstr("no directory"));
  EXPECT_THAT(why({.unix_directories = {std::string("/\0x", 3)}}), HasSubstr("NUL"));
  EXPECT_THAT(why({.unix_directories = std::vector<std::string>(65, "/")}), HasSubstr("65"));
}

TEST_F(PlanTsiTest, ItsOwnPortIsNobodyElses) {
  auto made = plan({}, {{.port = 620, .socket_path = "/tmp/socket"}});
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("620"));
}

}  // namespace
}  // namespace cloche
