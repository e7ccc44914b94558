% The four matting errors with the image functions of GNU Octave: the outside reference of lib/metrics.py.
%
%   octave --no-gui --quiet tests/official_metrics.m FOLDER     (needs the package image: octave-image)
%
% FOLDER holds NAME-pred.png, NAME-true.png and NAME-trimap.png, 8-bit grey. Prints one line a NAME:
% NAME sad mse grad conn. The definitions are those of the MATLAB evaluation of Xu et al. 2017, written anew
% from their description: alpha in single precision, largest part of 4 neighbours, mat2gray before the
% gradient. Unlike there, sums are taken in double precision, which costs nothing and has no noise.

1;  % a script, though functions come first

function total = over_unknown(values, unknown)
  total = sum(double(values(unknown)));
end

function length = slope(alpha)
  sigma = 1.4;
  reach = ceil(sigma * sqrt(-2 * log(sqrt(2 * pi) * sigma * 1e-2)));
  [column, row] = meshgrid(-reach:reach);
  kernel = column .* exp(-(column .^ 2 + row .^ 2) / (2 * sigma ^ 2));
  kernel /= norm(kernel, 'fro');
  grey = mat2gray(alpha);
  length = hypot(imfilter(grey, kernel, 'replicate', 'conv'), imfilter(grey, kernel', 'replicate', 'conv'));
end

% The parts come in column-major order and max takes the first of equal ones. No part: nothing is connected.
function inside = largest_part(mask)
  inside = false(size(mask));
  parts = bwconncomp(mask, 4).PixelIdxList;
  if !isempty(parts)
    [~, which] = max(cellfun(@numel, parts));
    inside(parts{which}) = true;
  end
end

% The last threshold before the first one at which a pixel is outside of the largest part; 1 if never outside.
function level = connectivity(pred, true_alpha)
  thresholds = single(0:0.1:1);
  level = ones(size(pred), 'single');
  connected = true(size(pred));
  for step = 2:numel(thresholds)
    inside = largest_part(pred >= thresholds(step) & true_alpha >= thresholds(step));
    level(connected & !inside) = thresholds(step - 1);
    connected &= inside;
  end
end

function phi = connectedness(alpha, level)
  above = alpha - level;
  phi = 1 - above .* (above >= single(0.15));
end

if isempty(pkg('list', 'image'))
  exit(3);  % the test's sign to skip
end
pkg load image
folder = argv(){end};
for file = glob(fullfile(folder, '*-pred.png'))'
  name = regexprep(file{1}, '^.*[/\\]|-pred\.png$', '');
  part = @(kind) imread(fullfile(folder, [name '-' kind '.png']));
  unknown = part('trimap') == 128;
  pred = single(part('pred')) / 255;
  true_alpha = single(part('true')) / 255;
  sad = over_unknown(abs(pred - true_alpha), unknown) / 1000;
  mse = over_unknown((pred - true_alpha) .^ 2, unknown) / sum(unknown(:));
  grad = over_unknown((slope(part('pred')) - slope(part('true'))) .^ 2, unknown) / 1000;
  level = connectivity(pred, true_alpha);
  conn = over_unknown(abs(connectedness(pred, level) - connectedness(true_alpha, level)), unknown) / 1000;
  printf('%s %.17g %.17g %.17g %.17g\n', name, sad, mse, grad, conn);
end
