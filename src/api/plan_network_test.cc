// The networks of a Config: what is taken, and what is refused in words that name it.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>

#include "api/launch.h"
#include "api/plan.h"
#include "api/testing/plan_fixture.h"

namespace cloche {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

class PlanNetworkTest : public PlanFixture {
 protected:
  PlanNetworkTest() {
    std::string passt = fake_.write("passt", "#!/bin/true\n");
    ::chmod(passt.c_str(), 0755);
    ::setenv("PATH", passt.substr(0, passt.rfind('/')).c_str(), 1);
  }
  ~PlanNetworkTest() override { ::setenv("PATH", path_.c_str(), 1); }
  Result<Plan> plan(std::vector<Network> networks) {
    return PlanFixture::plan(quiet({.arguments = {"true"}, .networks = std::move(networks)}));
  }
  std::string why(const Network& network) { return PlanFixture::why(plan({network})); }
  std::string path_ = ::getenv("PATH");
};

TEST_F(PlanNetworkTest, NoneUnlessAskedFor) {
  auto made = plan({}).value();
  EXPECT_TRUE(made.vm.networks.empty() && made.vm.start.interfaces.empty());
}

TEST_F(PlanNetworkTest, Passt) {
  auto made =
      plan({{.ports = {{.host_port = 8080, .guest_port = 80},
                       {.host_port = 53, .guest_port = 5353, .protocol = PortProtocol::kUdp, .address = "0.0.0.0"}}}})
          .value();
  ASSERT_EQ(made.vm.networks.size(), 1u);
  const wire::VmNetwork& network = made.vm.networks[0];
  EXPECT_THAT(network.path, testing::EndsWith("/passt"));
  // The host's own loopback is not within reach.
  EXPECT_THAT(network.arguments, IsSupersetOf({"--foreground", "--no-map-gw"}));
  EXPECT_THAT(network.arguments, Contains("127.0.0.1/8080:80"));
  EXPECT_THAT(network.arguments, Contains("0.0.0.0/53:5353"));
  EXPECT_EQ(network.offloads, 1u);
  EXPECT_EQ(network.mac[0] & 3, 2);
  EXPECT_TRUE(made.vm.start.interfaces[0].has_dhcp);
  EXPECT_NE(plan({{}})->vm.networks[0].mac, network.mac);
}

TEST_F(PlanNetworkTest, SeveralInOrderWithTheirDescriptors) {
  auto made = plan({{.kind = NetworkKind::kTap, .path = "tap0", .dhcp = Dhcp::kOff},
                    {.kind = NetworkKind::kStream, .fd = 77},
                    {.kind = NetworkKind::kDatagram, .fd = 78, .greeting = DatagramGreeting::kVfkit}})
                  .value();
  EXPECT_EQ(made.vm.networks[0].path, "tap0");
  EXPECT_NE(made.vm.networks[0].offloads & 1 << 11, 0u);
  EXPECT_FALSE(made.vm.start.interfaces[0].has_dhcp);
  EXPECT_EQ(made.vm.networks[1].fd, kFirstPassed);
  EXPECT_EQ(made.vm.networks[2].fd, kFirstPassed + 1);
  EXPECT_TRUE(made.vm.networks[2].greets);
  EXPECT_THAT(made.descriptors, ElementsAre(77, 78));
}

TEST_F(PlanNetworkTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(why({.path = "/x"}), AllOf(HasSubstr("network 0"), HasSubstr("path")));
  EXPECT_THAT(why({.kind = NetworkKind::kStream}), HasSubstr("path"));
  EXPECT_THAT(why({.kind = NetworkKind::kStream, .path = "/x", .fd = 3}), HasSubstr("path"));
  EXPECT_THAT(why({.kind = NetworkKind::kStream, .path = std::string(108, 'x')}), HasSubstr("107"));
  EXPECT_THAT(why({.kind = NetworkKind::kTap, .path = "a-name-too-long0"}), HasSubstr("tap"));
  EXPECT_THAT(why({.kind = NetworkKind::kTap, .path = "a/b"}), HasSubstr("tap"));
  EXPECT_THAT(why({.kind = NetworkKind::kDatagram, .fd = -2}), HasSubstr("fd"));
  EXPECT_THAT(why({.greeting = DatagramGreeting::kVfkit}), HasSubstr("vfkit"));
  EXPECT_THAT(why({.mac = std::array<uint8_t, 6>{1, 0, 0, 0, 0, 0}}), HasSubstr("MAC"));
  EXPECT_THAT(why({.features = 1 << 15}), HasSubstr("features"));
  EXPECT_THAT(why({.features = 1 << 7}), HasSubstr("GUEST_CSUM"));
  EXPECT_THAT(why({.features = 1 << 12}), HasSubstr("CSUM"));
  EXPECT_THAT(why({.mtu = 576}), HasSubstr("MTU"));
  EXPECT_THAT(why({.ports = {{.host_port = 0, .guest_port = 80}}}), HasSubstr("ports"));
  EXPECT_THAT(why({.ports = {{.host_port = 1, .guest_port = 1, .address = "host"}}}), HasSubstr("'host'"));
  EXPECT_THAT(why({.ports = {{.host_port = 53, .guest_port = 53, .protocol = PortProtocol::kUdp}}}),
              HasSubstr("0.0.0.0:53:53/udp"));
  EXPECT_THAT(why({.ports = {{.host_port = 1, .guest_port = 1}, {.host_port = 1, .guest_port = 2}}}),
              HasSubstr("twice"));
  EXPECT_THAT(why({.kind = NetworkKind::kTap, .path = "t", .ports = {{.host_port = 1, .guest_port = 1}}}),
              HasSubstr("ports"));
  EXPECT_THAT(why({.kind = NetworkKind::kTap, .path = std::string("a\0b", 3)}), HasSubstr("NUL"));
  EXPECT_THAT(plan(std::vector<Network>(9)).error().what, HasSubstr("networks"));
}

}  // namespace
}  // namespace cloche
