// Which consoles there are, and what is wrong with those that there cannot be.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "api/launch.h"
#include "api/plan.h"
#include "arch/x86_64/layout.h"
#include "base/fd.h"
#include "devices/console_ports.h"

namespace cloche {
namespace {

// What is refused by name here must not be too much for the devices: they take it for a mistake of ours.
static_assert(kMostConsolePorts + 1 == ConsolePorts::kMostPorts);
static_assert(kMostConsoleNameBytes == ConsolePorts::kMostNameBytes);
static_assert(kMostSerialConsoles == std::size(x86_64::kSerialPorts));

class PlanConsoles : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    one = Fd(ends[0]);
    other = Fd(ends[1]);
  }
  // What is wrong with them.
  static std::string complaint(std::vector<GuestConsole> consoles) {
    Plan plan;
    auto planned = plan_consoles({.consoles = std::move(consoles)}, plan);
    return planned ? "" : planned.error().what;
  }
  Fd one, other;
  Plan plan;
};

TEST_F(PlanConsoles, EachDescriptorIsTheNextOfTheVmsProcess) {
  plan.descriptors = {other.get()};  // A network's.
  Config config{
      .consoles = {
          {.ports = {{.name = "shell", .kind = ConsolePortKind::kTerminal, .input = one.get(), .output = one.get()},
                     {.name = "log", .output = other.get()}}},
          {.kind = ConsoleKind::kSerial, .ports = {{.kind = ConsolePortKind::kTerminal}}}}};
  ASSERT_TRUE(plan_consoles(config, plan));
  std::vector<wire::VmConsole> expected{
      {.ports = {{"shell", true, kFirstPassed + 1, kFirstPassed + 2}, {"log", false, -1, kFirstPassed + 3}}},
      {.is_serial = true, .ports = {{"", true, -1, -1}}}};
  EXPECT_EQ(plan.vm.consoles, expected);
  EXPECT_EQ(plan.descriptors, (std::vector{other.get(), one.get(), one.get(), other.get()}));
}

TEST_F(PlanConsoles, ACommandOfOursHasNoneUnlessAsked) {
  ASSERT_TRUE(plan_consoles({}, plan));
  EXPECT_TRUE(plan.vm.consoles.empty());
}

TEST_F(PlanConsoles, AGuestWithItsOwnFirstProgramTalksOnTheStreams) {
  plan.vm.boot.is_guests = true;
  ASSERT_TRUE(plan_consoles({.input = Input::kCarried}, plan));
  EXPECT_EQ(plan.vm.consoles, (std::vector<wire::VmConsole>{{.ports = {{"", true, 0, 1}}}}));
  Plan silent;
  silent.vm.boot.is_guests = true;
  ASSERT_TRUE(plan_consoles({.firmware_path = "/firmware"}, silent));
  EXPECT_EQ(silent.vm.consoles, (std::vector<wire::VmConsole>{{.is_serial = true, .ports = {{"", true, -1, 1}}},
                                                              {.ports = {{"", true, -1, 1}}}}));
}

TEST_F(PlanConsoles, WhatIsWrongIsNamed) {
  GuestConsolePort terminal{.kind = ConsolePortKind::kTerminal};
  GuestConsole serial{.kind = ConsoleKind::kSerial, .ports = {terminal}};
  EXPECT_EQ(complaint({{}}), "console 0: it has no port");
  EXPECT_EQ(complaint({{.ports = {terminal}}, {.ports = std::vector(31, terminal)}}),
            "consoles: 32 ports, and 31 are the most");
  EXPECT_EQ(complaint({{.ports = {{.input = 9999}}}}), "console 0: port 0: descriptor 9999 is not open");
  EXPECT_EQ(complaint({{.ports = {terminal, {.output = -2}}}}), "console 0: port 1: descriptor -2 is not open");
  EXPECT_EQ(complaint({{.ports = {{.name = std::string(65, 'a')}}}}),
            "console 0: port 0: its name has more than 64 bytes");
  EXPECT_EQ(complaint({{.ports = {{.name = std::string("a\0b", 3)}}}}), "console 0: port 0: its name holds a NUL");
  EXPECT_EQ(complaint({{.kind = ConsoleKind::kSerial, .ports = {{}}}}), "console 0: a serial console is one terminal");
  EXPECT_EQ(complaint({serial, serial, serial}), "consoles: 3 serial ones, and 2 are the most");
}

}  // namespace
}  // namespace cloche
