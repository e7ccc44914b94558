"""Who comes after the first 120 people: each is drawn as they are, then changed along axes that they lack.

The changes have random numbers of their own. What was drawn stands under `axes` in the manifest, so that results can be
split by it. Angles in degrees, lengths in metres.
"""

import numpy as np

FIRST, MORE = 120, 400  # people drawn by person.draw_person alone, and people changed here
KINDS = ("turned", "sleeveless", "long_hair", "hat", "selfie", "child", "view", "off_centre", "print")
EARLY = 72  # this many of MORE are of the first three kinds alone
BARE = {"sleeveless": (0.4, 0.6), "tank": (0.25, 0.4), "straps": (0.2, 0), "shoulders": (0.15, 0)}  # women, men
LONG = ("straight", "wavy", "curly", "mane")


def split(number: int) -> str:
    """The split of one of MORE: every fourth is to test on."""
    return "test" if number % 4 == 3 else "train"


def change(person: dict) -> dict:
    """The person with its `axes`. One axis is its kind; the others are drawn now and then, so that they cross."""
    number, woman = person["number"], person["woman"]
    random = np.random.Generator(np.random.PCG64([2021, number, 4]))
    later = number - FIRST
    kind = KINDS[later % 3] if later < EARLY else KINDS[later % len(KINDS)]

    def one_in(share: float, *kinds: str) -> bool:
        return bool(random.random() < share) or kind in kinds

    child, selfie = one_in(0.03, "child"), kind == "selfie"
    axes = {"kind": kind, "child": child} | _view(random, one_in, selfie)
    share = np.array([pair[0 if woman else 1] for pair in BARE.values()])
    bare, short = str(random.choice(list(BARE), p=share / share.sum())), bool(random.random() < 0.7)
    long, style = one_in(0.25 if woman else 0.05, "long_hair"), str(random.choice(LONG, p=[0.3, 0.3, 0.2, 0.2]))
    hat = str(random.choice(["brim", "cap", "band"]))
    pattern = str(random.choice(["print", "flowers", "camouflage", "badge", "stripes", "checks"]))
    axes["bare"] = bare if one_in(0.25, "sleeveless") and not child else ""
    axes["short"] = short and not axes["bare"] and person["clothes"]["kind"] in ("t-shirt", "v-neck")
    axes["hair"] = style if long else ""
    axes["hat"] = hat if one_in(0.06, "hat") and kind != "long_hair" else ""
    axes["print"] = pattern if one_in(0.3, "print") else ""
    axes["arm"] = float(random.choice([-1, 1])) if selfie else 0.0
    hand, size = bool(random.random() < 0.15) and not selfie, float(random.uniform(0, 1))
    person = person | {"axes": axes}
    person["pose"] |= _pose(random, axes)
    person["camera"] |= _camera(random, axes, person["camera"])
    person["hair"] |= _hair(random, axes, person)
    person["clothes"] |= _clothes(random, axes, person["clothes"])
    extras, alone = person["extras"], bool(axes["hat"] or child or hand or selfie)
    extras |= {"size": size, "hand": hand, "scarf": extras["scarf"] and not axes["bare"]}
    extras |= {"hat": extras["hat"] and not axes["hat"]}
    extras |= {name: extras[name] and not alone for name in ("veil", "headphones")}
    if axes["lens"] < 50 or axes["elevation"] < -5:
        person["light"]["rim"] = 0.0  # it would be in the picture
    return _younger(random, person) if child else person


def _view(random, one_in, selfie: bool) -> dict:
    """Where the camera is. turn: to the person's left; elevation: above; roll; lens (mm); off: of the frame's width by
    which the head is off its middle."""
    side = random.choice([-1, 1], 3)
    wide, narrow = random.uniform(25, 75), np.clip(random.normal(0, 12), -25, 25)
    turned = one_in(0.0 if selfie else 0.4, "turned")
    steep, level = random.uniform(12, 32) * (1 if side[1] > 0 else 0.75), random.normal(0, 4)
    high, near, off = one_in(0.12, "view"), one_in(0.12, "selfie"), one_in(0.15, "off_centre")
    far_off, tilt = random.uniform(0.12, 0.36), random.normal(0, 7 if selfie else 3)
    elevation = side[1] * steep if high else random.uniform(-8, 28) if selfie else level
    return {
        "turn": float(side[0] * wide if turned else narrow),
        "elevation": float(elevation),
        "roll": float(np.clip(tilt, -15, 15)),
        "lens": float(random.uniform(24, 33)) if near else float(random.uniform(40, 100)),
        "off": float(side[2] * far_off if off else random.normal(0, 0.03)),
    }


def _pose(random, axes: dict) -> dict:
    """The body stands straight, the camera around it; the head turns towards the camera, wholly, partly or not."""
    follow = random.choice([random.uniform(0.5, 1.0), random.uniform(-0.2, 0.4)], p=[0.65, 0.35])
    return {
        "turn": 0.0,
        "lean": 0.0,
        "head_turn": float(np.clip(follow * axes["turn"], -50, 50) + random.normal(0, 6)),
        "nod": float(random.normal(2, 4) - 0.35 * axes["elevation"]),
        "tilt": float(random.normal(0, 6)),
    }


def _camera(random, axes: dict, camera: dict) -> dict:
    near = axes["lens"] < 40
    frame = float(random.uniform(0.38, 0.5) if near else random.uniform(0.46, 0.78)) * (0.8 if axes["child"] else 1)
    fstop = max(camera["fstop"], 5.6 if near else 2.8)
    return {"frame": frame, "headroom": float(random.uniform(0.02, 0.12)), "lens": axes["lens"], "fstop": fstop}


def _hair(random, axes: dict, person: dict) -> dict:
    hair, woman = person["hair"], person["woman"]
    light, red, both = random.uniform(0.1, 0.45), random.random() < 0.25, random.random() < 0.75
    length, fair = random.uniform(0.6, 1.7 if woman else 1.0), random.random() < 0.6
    if axes["hair"]:
        hair |= {"style": axes["hair"], "length": float(length), "recede": 0.3 * hair["recede"]}
        hair |= {"front": [bool(both)] * 2, "fringe": hair["fringe"] and axes["hair"] in ("straight", "wavy")}
        if fair:
            hair |= {"melanin": float(light), "redness": float(random.uniform(0.6, 1.0) if red else hair["redness"])}
    if axes["hat"] and hair["style"] not in ("bald", "crop", "straight", "bob", "wavy"):
        hair["style"] = "straight" if woman else "crop"
    if axes["hat"]:
        hair["fringe"] = False
    if hair["style"] == "bald" and (axes["hat"] == "band" or axes["child"]):
        hair["style"] = "crop"
    return hair


def _clothes(random, axes: dict, clothes: dict) -> dict:
    if axes["child"] and clothes["kind"] in ("jacket", "shirt", "turtleneck"):
        clothes["kind"] = str(random.choice(["t-shirt", "jumper", "hoodie"]))
    if axes["bare"]:
        clothes |= {"kind": axes["bare"], "loose": 0.003, "tie": False}
    if axes["print"] and clothes["kind"] == "jacket":
        clothes |= {"kind": "jumper", "tie": False}
    return clothes | {"pattern": axes["print"] or clothes["pattern"]}


def _younger(random, person: dict) -> dict:
    """A child of about 6 to 12 years."""
    person["age"] = float(random.uniform(0.2, 0.4))
    person["body"] |= {"age": person["age"], "cupsize": 0.1, "muscle": 0.5, "weight": 0.35 + 0.3 * random.random()}
    person["skin"] |= {"makeup": 0.0, "wrinkles": 0.0}
    person["hair"] |= {"beard": 0.0, "grey": 0.0, "recede": 0.0, "dye": None}
    person["extras"] |= {"glasses": False, "earrings": False}
    return person
