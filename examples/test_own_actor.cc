// Testing one's own actors with GoogleTest: hours pass in milliseconds, a probe plays the actors
// that the one under test talks to, messages and connections are lost where the test says, and what
// must hold is tried in every order in which messages can be handled. docs/testing.md tells the
// rest.

#include <muster/testing/gtest.h>
#include <muster/testing/probe.h>

using namespace muster;
using namespace muster::testing;

struct Sensor {
  double celsius() const { return 20; }
};
MUSTER_ACTOR(Sensor, celsius);

struct Heater {
  void heat(bool on) { heating = on; }
  bool heats() const { return heating; }
  bool heating = false;
};
MUSTER_ACTOR(Heater, heat, heats);

// The actor under test: reads the sensor every ten seconds, and does not heat when it cannot.
class Thermostat {
 public:
  Thermostat(Handle<Sensor> sensor, Handle<Heater> heater, double wanted)
      : sensor_(sensor.with({.timeout = 2s})), heater_(std::move(heater)), wanted_(wanted) {}
  Task<> watch() {
    this_actor::send_after<&Thermostat::watch>(10s);
    const Result<double> now = co_await sensor_.call<&Sensor::celsius>().as_result();
    heater_.send<&Heater::heat>(now && *now < wanted_);
  }
  void want(double celsius) { wanted_ = celsius; }

 private:
  Handle<Sensor> sensor_;
  Handle<Heater> heater_;
  double wanted_;
};
MUSTER_ACTOR(Thermostat, watch, want);

TEST(ThermostatTest, HeatsWhileItIsCold) {
  SimWorld world(test_seed());
  Runtime& node = world.start("node");
  Probe house(world, node);  // plays sensor and heater
  const auto thermostat =
      node.spawn<Thermostat>({}, house.stand_in<Sensor>(), house.stand_in<Heater>(), 19.0);
  thermostat.send<&Thermostat::watch>();
  for (const double celsius : {15.0, 17.0, 21.0}) {  // every ten seconds of virtual time
    value_or_throw(house.expect<&Sensor::celsius>(10s)).reply(celsius);
    EXPECT_EQ(value_or_throw(house.expect<&Heater::heat>()).argument(), celsius < 19);
    EXPECT_TRUE(house.expect_nothing(9s));
  }
}

TEST(ThermostatTest, DoesNotHeatWhenTheSensorIsSilentOrOutOfReach) {
  for_each_seed(20, [](std::uint64_t seed) {
    SimWorld world(seed, {.latency_max = 5ms});
    Runtime& home = world.start("home", {.listen = "home:1"});
    Runtime& roof = world.start("roof");
    ASSERT_TRUE(roof.join("home:1", 1s));
    const auto sensor = roof.spawn<Sensor>({.name = "sensor"});
    const auto heater = home.spawn<Heater>();
    const auto thermostat =
        home.spawn<Thermostat>({}, value_or_throw(home.find<Sensor>("sensor", 1s)), heater, 25.0);
    const auto heats = [&] { return heater.call<&Heater::heats>().get(1s); };
    thermostat.send<&Thermostat::watch>();
    world.run_for(1s);
    EXPECT_TRUE(heats());
    const auto lost = world.messages().on<&Sensor::celsius>().times(1).lose();
    EXPECT_TRUE(world.expect(lost, 1, 10s));
    world.run_for(3s);
    EXPECT_FALSE(heats());
    world.run_for(10s);  // the next question is answered
    EXPECT_TRUE(heats());
    world.crash("roof");
    world.run_for(20s);
    EXPECT_FALSE(heats());
  });
}

// Runs beside the actors, sooner or later.
Task<> turn_up(Handle<Thermostat> thermostat) {
  thermostat.send<&Thermostat::want>(25);
  co_return;
}

TEST(ThermostatTest, HeatsInTheEndInWhateverOrderItIsTold) {
  const auto explored = for_each_schedule([](SimWorld& world) {
    Runtime& node = world.start("node");
    const auto heater = node.spawn<Heater>();
    const auto thermostat = node.spawn<Thermostat>({}, node.spawn<Sensor>(), heater, 15.0);
    thermostat.send<&Thermostat::watch>();
    static_cast<void>(node.run(turn_up(thermostat)));
    world.run_for(15s);
    EXPECT_TRUE(heater.call<&Heater::heats>().get(1s));
  });
  EXPECT_TRUE(explored.complete);
}
