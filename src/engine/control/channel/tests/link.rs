//! Two channels over a link that loses, delays, reorders and duplicates, in virtual time.

use super::*;

/// A small generator of chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn text(&mut self, most: u64) -> Vec<u8> {
        let len = 1 + self.below(most);
        let bytes = (0..len).map(|_| u8::try_from(self.below(256)));
        bytes.map(|byte| byte.expect("below 256")).collect()
    }
}

/// How bad the link is.
#[derive(Debug, Clone, Copy)]
struct Weather {
    loss_percent: u64,
    double_percent: u64,
    delay_ms: u64,
}

/// Packets on their way, by arrival; `true` goes to the server.
struct Link {
    weather: Weather,
    chance: Chance,
    count: u64,
    on_the_way: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
}

impl Link {
    fn send(&mut self, now: Instant, to_server: bool, packet: &[u8]) {
        let copies = if self.chance.below(100) < self.weather.loss_percent {
            0
        } else if self.chance.below(100) < self.weather.double_percent {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = Duration::from_millis(self.chance.below(self.weather.delay_ms + 1));
            self.count += 1;
            self.on_the_way
                .insert((now + delay, self.count), (to_server, packet.to_vec()));
        }
    }
}

/// Both ends, with what they have read of each key.
struct World {
    now: Instant,
    client: Channel,
    server: Channel,
    link: Link,
    read: BTreeMap<(bool, KeyId), Vec<u8>>,
    largest: usize,
}

impl World {
    fn new(wrapping: &Arc<Wrapping>, weather: Weather, seed: u64) -> Self {
        let now = start();
        let link = Link {
            weather,
            chance: Chance(seed | 1),
            count: 0,
            on_the_way: BTreeMap::new(),
        };
        Self {
            now,
            client: Channel::new(setup(Side::Client, wrapping), now),
            server: Channel::new(setup(Side::Server, wrapping), now),
            link,
            read: BTreeMap::new(),
            largest: 0,
        }
    }

    /// Runs until `done`, or until an hour has passed or nothing will happen any more; says whether it is done.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + Duration::from_secs(3600);
        loop {
            self.send_all();
            if done(self) {
                return true;
            }
            let arrival = self.link.on_the_way.keys().next().map(|(at, _)| *at);
            let next = [arrival, self.client.deadline(), self.server.deadline()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next < end) else {
                return false;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.deliver_one();
            }
        }
    }

    fn send_all(&mut self) {
        for to_server in [true, false] {
            let from = if to_server {
                &mut self.client
            } else {
                &mut self.server
            };
            while let Some(packet) = from.poll_transmit(self.now, WALL) {
                self.largest = self.largest.max(packet.len());
                self.link.send(self.now, to_server, &packet);
            }
        }
    }

    fn deliver_one(&mut self) {
        let Some((_, (to_server, packet))) = self.link.on_the_way.pop_first() else {
            return;
        };
        let to = if to_server {
            &mut self.server
        } else {
            &mut self.client
        };
        let received = to.receive(self.now, &packet);
        if let Ok(Received::Opened { key_id, .. } | Received::Readable { key_id }) = received {
            let bytes = to.read(key_id);
            self.read
                .entry((to_server, key_id))
                .or_default()
                .extend(bytes);
        }
    }

    fn is_open(&self, key_id: KeyId) -> bool {
        self.client.is_open(key_id) && self.server.is_open(key_id)
    }

    fn has_read(&self, at_server: bool, key_id: KeyId, expected: &[u8]) -> bool {
        let read = self.read.get(&(at_server, key_id));
        read.is_some_and(|read| read == expected)
    }

    fn all_acknowledged(&self, key_id: KeyId) -> bool {
        self.client.all_acknowledged(key_id) && self.server.all_acknowledged(key_id)
    }
}

fn weathers() -> impl Strategy<Value = Weather> {
    (0..40_u64, 0..30_u64, 0..3000_u64).prop_map(|(loss_percent, double_percent, delay_ms)| {
        Weather {
            loss_percent,
            double_percent,
            delay_ms,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_byte_arrives_in_order_and_once_whatever_the_link_does(
        weather in weathers(),
        seed: u64,
        scheme in 0..3_usize,
    ) {
        let wrapping = [plain(), tls_crypt(), tls_crypt_v2()][scheme].clone();
        let mut world = World::new(&wrapping, weather, seed);
        let mut chance = Chance(seed.wrapping_mul(31) | 1);
        let first = KeyId::FIRST;
        prop_assert!(world.run_until(|world| world.is_open(first)));

        let (up, down) = (chance.text(30_000), chance.text(30_000));
        world.client.write(first, &up);
        world.server.write(first, &down);
        let arrived = world.run_until(|world| {
            world.has_read(true, first, &up)
                && world.has_read(false, first, &down)
                && world.all_acknowledged(first)
        });
        prop_assert!(arrived);
        prop_assert!(world.largest <= 1250 - 28);

        let second = first.next();
        for channel in [&mut world.client, &mut world.server] {
            channel.install_dynamic_tls_crypt(&Secret::new([3; 256]));
            channel.expect_key_state(Some(second));
        }
        if seed % 3 != 0 {
            world.client.open_key_state(world.now, second);
        }
        if seed % 3 != 1 {
            world.server.open_key_state(world.now, second);
        }
        prop_assert!(world.run_until(|world| world.is_open(second)));
        world.client.write(second, &down);
        world.server.write(second, &up);
        world.client.write(first, b"and on the old key");
        let old = [&up[..], b"and on the old key"].concat();
        let arrived = world.run_until(|world| {
            world.has_read(true, second, &down)
                && world.has_read(false, second, &up)
                && world.has_read(true, first, &old)
        });
        prop_assert!(arrived);
    }
}
