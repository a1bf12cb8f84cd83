#include "cli/network_flags.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>

#include "cli/arguments.h"

namespace cloche::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(NetworkFlag, Forms) {
  EXPECT_EQ(parse_network("")->kind, NetworkKind::kPasst);
  EXPECT_EQ(parse_network("passt")->kind, NetworkKind::kPasst);
  auto tap = parse_network("tap=tap0,mac=02:00:00:0a:0B:ff,no-dhcp").value();
  EXPECT_EQ(tap.kind, NetworkKind::kTap);
  EXPECT_EQ(tap.path, "tap0");
  EXPECT_THAT(*tap.mac, ElementsAre(2, 0, 0, 10, 11, 255));
  EXPECT_EQ(tap.dhcp, Dhcp::kOff);
  auto stream = parse_network("stream=/run/a,b.sock,mtu=1400").value();
  EXPECT_EQ(stream.kind, NetworkKind::kStream);
  EXPECT_EQ(stream.path, "/run/a,b.sock");
  EXPECT_EQ(stream.mtu, 1400);
  EXPECT_EQ(stream.dhcp, Dhcp::kOn);
  auto datagram = parse_network("datagram=g.sock,vfkit").value();
  EXPECT_EQ(datagram.kind, NetworkKind::kDatagram);
  EXPECT_EQ(datagram.greeting, DatagramGreeting::kVfkit);
}

TEST(NetworkFlag, WhatIsNone) {
  for (const char* text :
       {"tap", "tap=", "stream=", "datagram=", "bridge=br0", "passt,x", "passt,mac=1",
        "passt,mac=", "passt,mac=02:00:00:00:00:0g", "passt,mac=02-00-00-00-00-00", "passt,mtu=", "passt,mtu=70000"})
    EXPECT_FALSE(parse_network(text)) << text;
}

TEST(PortFlag, Forms) {
  auto plain = parse_published_port("8080:80").value();
  EXPECT_EQ(plain.host_port, 8080);
  EXPECT_EQ(plain.guest_port, 80);
  EXPECT_EQ(plain.protocol, PortProtocol::kTcp);
  EXPECT_EQ(plain.address, "127.0.0.1");
  auto udp = parse_published_port("0.0.0.0:5353:53/udp").value();
  EXPECT_EQ(udp.address, "0.0.0.0");
  EXPECT_EQ(udp.protocol, PortProtocol::kUdp);
  EXPECT_EQ(udp.host_port, 5353);
  for (const char* text : {"", "80", ":80", "80:", "a:80", "80:70000", "80:80/sctp", "-1:80", "80:80:"})
    EXPECT_FALSE(parse_published_port(text)) << text;
}

TEST(TsiFlag, Forms) {
  Tsi plain = parse_tsi("").value();
  EXPECT_EQ(plain.inet, TsiInet::kOn);
  EXPECT_EQ(plain.loopback, TsiLoopback::kRefused);
  EXPECT_EQ(plain.listeners, TsiListeners::kPublished);
  Tsi all = parse_tsi("loopback,all-ports,no-inet,unix=/run,unix=/tmp").value();
  EXPECT_EQ(all.inet, TsiInet::kOff);
  EXPECT_EQ(all.loopback, TsiLoopback::kAllowed);
  EXPECT_EQ(all.listeners, TsiListeners::kAll);
  EXPECT_THAT(all.unix_directories, ElementsAre("/run", "/tmp"));
  for (const char* text : {"x", "loopback,x", "unix", ","}) EXPECT_FALSE(parse_tsi(text)) << text;
}

struct Parsed {
  RunRequest request;
  std::vector<std::string> command;
};

Parsed parse(std::vector<std::string> words) {
  Parsed run;
  CLI::App app("", "run");
  add_run_flags(app, run.request);
  auto command = parse_words(app, words);
  EXPECT_TRUE(command) << command.error().message();
  run.command = command && *command ? **command : std::vector<std::string>();
  return run;
}

TEST(NetworkFlag, ItsValueMayFollowButNoCommandIsTakenForOne) {
  EXPECT_THAT(parse({"true"}).request.config.networks, IsEmpty());
  for (std::vector<std::string> words : {std::vector<std::string>{"--net", "tap", "x"}, {"--net", "--", "tap", "x"}}) {
    Parsed run = parse(words);
    ASSERT_EQ(run.request.config.networks.size(), 1u);
    EXPECT_EQ(run.request.config.networks[0].kind, NetworkKind::kPasst);
    EXPECT_THAT(run.command, ElementsAre("tap", "x"));
  }
  for (std::vector<std::string> words :
       {std::vector<std::string>{"--net", "tap=t0", "--net", "x"}, {"--net=tap=t0", "--net", "x"}}) {
    Parsed run = parse(words);
    ASSERT_EQ(run.request.config.networks.size(), 2u);
    EXPECT_EQ(run.request.config.networks[0].path, "t0");
    EXPECT_EQ(run.request.config.networks[1].kind, NetworkKind::kPasst);
    EXPECT_THAT(run.command, ElementsAre("x"));
  }
}

TEST(PortFlag, GoesToPasst) {
  Parsed run = parse({"-p", "1:2", "--net", "tap=t0", "--net", "-p3:4/udp", "x"});
  ASSERT_TRUE(place_ports(run.request));
  EXPECT_THAT(run.request.config.networks[0].ports, IsEmpty());
  ASSERT_EQ(run.request.config.networks[1].ports.size(), 2u);
  EXPECT_EQ(run.request.config.networks[1].ports[1].guest_port, 4);
  run = parse({"--tsi", "-p", "1:2", "x"});
  ASSERT_TRUE(place_ports(run.request));
  ASSERT_TRUE(run.request.config.tsi);
  EXPECT_EQ(run.request.config.tsi->ports.size(), 1u);
  EXPECT_THAT(run.command, ElementsAre("x"));
  run = parse({"-p", "1:2", "x"});
  EXPECT_THAT(place_ports(run.request).error().what, HasSubstr("--net"));
}

}  // namespace
}  // namespace cloche::cli
